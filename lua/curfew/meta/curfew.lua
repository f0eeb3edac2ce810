---@meta curfew
-- What `require "curfew"` is, for lua-language-server: nothing of this runs. curfew-policy(5) says more.

---A duration: seconds, or a string such as "250ms", "5s", "1m30s".
---@alias curfew.duration number|string
---A size: bytes, or a string such as "64MB".
---@alias curfew.size integer|string
---A server by its handle or its name.
---@alias curfew.who curfew.server|string
---@alias curfew.listen string|string[]
---@alias curfew.state
---| "new"
---| "starting"
---| "started"
---| "stopping"
---| "prestopped"
---| "stopped"
---| "start_aborted"
---| "errored"
---| "timeout"

---An answer of a rule. graceful, abort and kill can be called with an exit code from 0 to 255.
---@class curfew.decision
---@overload fun(code?: integer|boolean): curfew.decision

---@class curfew
---@field graceful curfew.decision A graceful stop; without a call code 0.
---@field abort curfew.decision An abort; without a call code 1.
---@field kill curfew.decision The end at once, without any hook; without a call code 1.
---@field reload curfew.reload Build the policy anew: as an answer of a rule, or called.
---@field restart curfew.decision Start the server of "closed" or "start_failed" again.
---@field ignore curfew.decision Nothing happens; for what steers: it is refused.
---@field accept curfew.decision For what steers: it is done as asked.
---@field kept table<string, any> Handed from policy to policy by a reload: strings, numbers, booleans, tables of such.
---@field state curfew.state Of the whole.
---@field version string
---@field log curfew.log
---@field fs curfew.fs
local curfew = {}

---@class curfew.reload: curfew.decision
---@overload fun(): curfew.reloaded?, string?, string?

---@class curfew.reloaded
---@field generation integer
---@field servers { name: string, change: "added"|"removed"|"replaced"|"updated"|"unchanged" }[]

-- ---- servers

---@class curfew.restart_options
---@field on "never"|"failure"|"always"
---@field backoff? curfew.duration The first wait; it doubles.
---@field max? integer Consecutive tries; 0: no limit.

---@class curfew.server_options
---@field name string Unique.
---@field after? curfew.who|curfew.who[] What has to be ready before, and stops only after it.
---@field start_timeout? curfew.duration
---@field stop_timeout? curfew.duration Then it is cut off. Until the margin when not given.
---@field restart? "never"|"failure"|"always"|curfew.restart_options
---@field expect_exit? boolean Its end by itself with code 0 is no "closed".

---@class curfew.http_options: curfew.server_options
---@field listen curfew.listen "127.0.0.1:8080", "[::1]:80", ":80", "unix:/path", "systemd:NAME"
---@field routes? table<string, curfew.handler> "GET /users/:id"
---@field handler? curfew.handler For what no route matches.
---@field keep_alive? curfew.duration
---@field request_timeout? curfew.duration
---@field drain? curfew.duration
---@field idle_grace? curfew.duration
---@field close_spread? curfew.duration
---@field max_body? curfew.size
---@field max_headers? curfew.size

---@class curfew.tcp_options: curfew.server_options
---@field listen curfew.listen
---@field handler fun(conn: curfew.connection)
---@field drain? curfew.duration
---@field max_connections? integer

---@class curfew.ready_options
---@field tcp? string It accepts a connection there.
---@field http? string It answers with a status from 200 to 399.
---@field exec? string[] It ends with 0.
---@field notify? true READY=1, as sd_notify(3) has it.
---@field delay? curfew.duration
---@field timeout? curfew.duration
---@field interval? curfew.duration

---@class curfew.stop_step
---@field signal string|integer
---@field wait? curfew.duration Before the next step.

---@class curfew.process_options: curfew.server_options
---@field command (string|integer)[] The program and its arguments; no shell is involved.
---@field env? table<string, string|integer>
---@field clear_env? boolean
---@field cwd? string
---@field user? string|integer
---@field group? string|integer
---@field stdin? "null"|"inherit"
---@field stdout? "inherit"|"log"|"null"|string "file:/path"
---@field stderr? "inherit"|"log"|"null"|string
---@field ready? curfew.ready_options
---@field stop? string|curfew.stop_step|(string|curfew.stop_step)[]
---@field stop_to? "group"|"main"
---@field new_session? boolean
---@field foreground? boolean
---@field overlap? boolean A reload starts the new one before the old one stops.

---@class curfew.function_options: curfew.server_options
---@field start? fun(ctx: curfew.ctx): any, string?, string?
---@field stop? fun(ctx: curfew.ctx)
---@field abort? fun(ctx: curfew.ctx)

---@param def curfew.http_options
---@return curfew.server
function curfew.http(def) end

---@param def curfew.tcp_options
---@return curfew.server
function curfew.tcp(def) end

---@param def curfew.process_options
---@return curfew.server
function curfew.process(def) end

---@param def curfew.function_options
---@return curfew.server
function curfew.server(def) end

---@param name string
---@return curfew.server?
function curfew.find(name) end

---@class curfew.server
---@field name string
---@field kind "http"|"tcp"|"process"|"server"|string
---@field state string
---@field address string? Where it really listens.
---@field pid integer?
local server = {}

---It starts after the others are ready, and stops before they do.
---@param ... curfew.who|curfew.who[]
---@return curfew.server
function server:after(...) end

---@class curfew.hook_options
---@field name? string For the log and the timeline.
---@field timeout? curfew.duration Its own limit.

---@param f fun(ctx: curfew.ctx)
---@param options? curfew.hook_options
---@return curfew.server
function server:pre_start(f, options) end

---@param f fun(ctx: curfew.ctx)
---@param options? curfew.hook_options
---@return curfew.server
function server:post_start(f, options) end

---@param f fun(ctx: curfew.ctx)
---@param options? curfew.hook_options
---@return curfew.server
function server:pre_stop(f, options) end

---@param f fun(ctx: curfew.ctx)
---@param options? curfew.hook_options
---@return curfew.server
function server:post_stop(f, options) end

---@param callback? fun(ok: boolean?, message: string?, code: string?)
---@return boolean?, string?, string?
function server:start(callback) end

---@param callback? fun(ok: boolean?, message: string?, code: string?)
---@return boolean?, string?, string?
function server:stop(callback) end

---@param callback? fun(ok: boolean?, message: string?, code: string?)
---@return boolean?, string?, string?
function server:restart(callback) end

---@return table<string, any>
function server:stats() end

-- ---- hooks

---@class curfew.ctx
---@field server curfew.server? nil in a global hook.
---@field phase "pre_start"|"post_start"|"pre_stop"|"post_stop"|"start"|"stop"|"abort"
---@field mode "graceful"|"abort"
---@field trigger curfew.trigger? nil in a start.
---@field deadline number? When it is cut off.
---@field elapsed number Seconds since the stop began.
---@field result "stopped"|"cut"|"failed"? In post_stop.
---@field hurried boolean Somebody has hurried the stop.
---@field leader boolean Of the processes that run this policy side by side (nginx's workers), it is this one that does what is to be done once.
---@field cancelled boolean The stop is to be cancelled, as soon as the hooks that run have ended.
local ctx = {}

---Seconds until the deadline; math.huge without one.
---@return number
function ctx:remaining() end

---Move the end of the stop to t from now, if that is later.
---@param t curfew.duration
---@return true?, string?, string?
function ctx:extend(t) end

---@param f fun(ctx: curfew.ctx)
---@param options? curfew.hook_options
function curfew.pre_stop(f, options) end

---@param f fun(ctx: curfew.ctx)
---@param options? curfew.hook_options
function curfew.post_stop(f, options) end

-- ---- triggers

---@alias curfew.trigger_name
---| "SIGTERM"
---| "SIGINT"
---| "SIGQUIT"
---| "SIGHUP"
---| "SIGUSR1"
---| "SIGUSR2"
---| "exit"
---| "error"
---| "rejection"
---| "closed"
---| "start_failed"
---| "idle"
---| "stop"
---| "abort"
---| "reload"
---| "crash"
---| "stall"
---| "hurry"
---| "extend"
---| "skip"
---| "cancel"
---| "start_server"
---| "stop_server"
---| "restart_server"
---| "*"
---| string

---@class curfew.trigger
---@field name curfew.trigger_name
---@field count integer 1 for the first of its kind.
---@field code integer
---@field at number When it came.
---@field server curfew.server?
---@field signal string? That ended the server of "closed".
---@field error string?
---@field traceback string?
---@field by number? Of "extend", seconds.

---@param name curfew.trigger_name|curfew.trigger_name[]
---@param rule curfew.decision|fun(t: curfew.trigger): curfew.decision?
function curfew.on(name, rule) end

---@param name curfew.trigger_name
---@param code? integer
---@return true?, string?, string?
function curfew.trigger(name, code) end

-- ---- steering

---@param callback? fun(ok: true?, message: string?, code: string?)
---@return true?, string?, string?
function curfew.hurry(callback) end

---@param t curfew.duration
---@param callback? fun(ok: true?, message: string?, code: string?)
---@return true?, string?, string?
function curfew.extend(t, callback) end

---@param server? curfew.who Without one: the global hooks.
---@param callback? fun(ok: true?, message: string?, code: string?)
---@return true?, string?, string?
function curfew.skip(server, callback) end

---@param callback? fun(ok: true?, message: string?, code: string?)
---@return true?, string?, string?
function curfew.cancel(callback) end

-- ---- life

---@class curfew.health_options
---@field listen curfew.listen
---@field hold? curfew.duration Serve on for so long first, while /readyz says 503.
---@field probes? integer Or until so many were told.

---@class curfew.control_options
---@field path string
---@field group? string

---@class curfew.log_options
---@field level? "debug"|"info"|"warn"|"error"
---@field format? "text"|"logfmt"|"json"

---@class curfew.settings
---@field exit_timeout? curfew.duration
---@field max_exit_timeout? curfew.duration
---@field start_timeout? curfew.duration
---@field stall_limit? curfew.duration
---@field stop_margin? curfew.duration
---@field strict? boolean
---@field memory_limit? curfew.size
---@field hook_cpu_limit? curfew.duration
---@field request_cpu_limit? curfew.duration
---@field load_limit? curfew.duration
---@field reload_grace? curfew.duration
---@field control? string|curfew.control_options
---@field health? curfew.health_options
---@field watch? boolean
---@field log? curfew.log_options

---@param settings curfew.settings
---@return true?, string?, string?
function curfew.configure(settings) end

---@param callback? fun(ok: true?, message: string?, code: string?)
---@return true?, string?, string?
function curfew.start(callback) end

---The same, as the last line of a script that `lua5.4 script.lua` can run as well.
---@param callback? fun(ok: true?, message: string?, code: string?)
---@return true?, string?, string?
function curfew.run(callback) end

---@param options? { exit?: boolean }|fun(ok: true?, message: string?, code: string?)
---@param callback? fun(ok: true?, message: string?, code: string?)
---@return true?, string?, string?
function curfew.stop(options, callback) end

---Never returns.
---@param code? integer|boolean
function curfew.exit(code) end

---@param callback? fun()
function curfew.deactivate(callback) end

---Seconds on a clock that is never set.
---@return number
function curfew.now() end

-- ---- tasks

---@class curfew.handle
local handle = {}

---@return boolean
function handle:cancel() end

---@class curfew.task
local task = {}

---@param timeout? curfew.duration
---@return any ...
function task:await(timeout) end

---@return boolean
function task:cancel() end

---@return boolean
function task:done() end

---@param t curfew.duration
---@param callback? fun()
---@return true
function curfew.sleep(t, callback) end

---@param t curfew.duration
---@param f fun()
---@return curfew.handle
function curfew.after(t, f) end

---@param t curfew.duration
---@param f fun()
---@return curfew.handle
function curfew.every(t, f) end

---@param f fun(...: any): any
---@param ... any
---@return curfew.task
function curfew.spawn(f, ...) end

---@param list table<any, curfew.task|fun(): any>
---@return table?, string?, string?
function curfew.all(list) end

---@param list table<any, curfew.task|fun(): any>
---@return any ...
function curfew.race(list) end

---@param t curfew.duration
---@param f fun(): any
---@return any ...
function curfew.timeout(t, f) end

---@param event "stopping"|"aborting"|"cancelled"|"reloaded"|"reload_failed"|string
---@param timeout? curfew.duration
---@return any, string?, string?
function curfew.wait(event, timeout) end

---@param event "stopping"|"aborting"|"cancelled"|"reloaded"|"reload_failed"|string
---@param f fun(value: any)
---@return curfew.handle
function curfew.subscribe(event, f) end

-- ---- programs, requests, files

---@class curfew.exec_command
---@field [integer] string|integer
---@field timeout? curfew.duration
---@field env? table<string, string|integer>
---@field cwd? string
---@field user? string|integer
---@field stdin? string

---@class curfew.exec_result
---@field code integer?
---@field signal string?
---@field stdout string
---@field stderr string

---@param command curfew.exec_command
---@param callback? fun(result: curfew.exec_result?, message: string?, code: string?)
---@return curfew.exec_result?, string?, string?
function curfew.exec(command, callback) end

---@class curfew.fetch_options
---@field method? string
---@field headers? table<string, string>
---@field body? string
---@field timeout? curfew.duration
---@field unix? string

---@class curfew.fetch_result
---@field status integer
---@field headers table<string, string>
---@field body string

---@param url string
---@param options? curfew.fetch_options|fun(result: curfew.fetch_result?, message: string?, code: string?)
---@param callback? fun(result: curfew.fetch_result?, message: string?, code: string?)
---@return curfew.fetch_result?, string?, string?
function curfew.fetch(url, options, callback) end

---@class curfew.stat
---@field type string
---@field size integer
---@field mtime number
---@field mode string|integer

---@class curfew.fs
local fs = {}

---@param path string
---@return boolean?, string?, string?
function fs.exists(path, callback) end

---@param path string
---@return curfew.stat?, string?, string?
function fs.stat(path, callback) end

---@param path string
---@param options? { max?: curfew.size }
---@return string?, string?, string?
function fs.read(path, options, callback) end

---@param path string
---@param data string
---@param options? { mode?: string|integer, append?: boolean, sync?: boolean }
---@return true?, string?, string?
function fs.write(path, data, options, callback) end

---@param from string
---@param to string
---@return true?, string?, string?
function fs.rename(from, to, callback) end

---@param path string
---@return true?, string?, string?
function fs.remove(path, callback) end

---@class curfew.log
local log = {}

---@param ... any
function log.debug(...) end

---@param ... any
function log.info(...) end

---@param ... any
function log.warn(...) end

---@param ... any
function log.error(...) end

-- ---- requests

---@alias curfew.handler fun(req: curfew.request, res: curfew.reply): any, any, any

---@class curfew.request
---@field method string
---@field version string
---@field path string
---@field target string
---@field query string?
---@field args table<string, string>
---@field params table<string, string>
---@field route string?
---@field headers table<string, string>
---@field body string
---@field peer string

---@class curfew.reply
local reply = {}

---@param status integer|string The status, or the body of status 200.
---@param body? string
---@param headers? table<string, string>
function reply:send(status, body, headers) end

---@param code integer
---@return curfew.reply
function reply:status(code) end

---@param name string
---@param value string
---@return curfew.reply
function reply:header(name, value) end

---@param data string
function reply:write(data) end

---@param data? string
function reply:finish(data) end

function reply:hold() end

---@return boolean
function reply:alive() end

---@class curfew.connection
---@field peer string
local connection = {}

---@param max? integer
---@return string?
function connection:read(max) end

---@return fun(): string?
function connection:chunks() end

---@return fun(): string?
function connection:lines() end

---@param data string
---@param ... string
function connection:write(data, ...) end

function connection:close() end

function connection:hold() end

---@return boolean
function connection:alive() end

return curfew
