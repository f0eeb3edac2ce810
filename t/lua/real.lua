-- real.lua: what t/lua's other tests see on a core in Lua, on the real one. A policy that real.t runs; DIR is its own folder.
local curfew = require "curfew"
local tap = dofile "t/lib/tap.lua"
local dir = os.getenv "DIR"

curfew.configure { exit_timeout = "20s", log = { level = "warn" } }

-- An error tells this file's line, however deep in curfew it was seen.
local function line(f, message, words)
	local _, err = pcall(f)
	local want = ("t/lua/real.lua:%d: %s"):format(debug.getinfo(f, "S").linedefined, message)
	tap.is(err, want, words)
end

line(function() curfew.http { name = "web", lisen = "127.0.0.1:0" } end,
	'curfew.http: unknown key "lisen", did you mean "listen"?', "a misspelt key")
line(function() curfew.on("closd", curfew.ignore) end,
	'curfew.on: unknown trigger "closd", did you mean "closed"?', "a misspelt trigger")
line(function() curfew.exit(256) end, "curfew.exit: expected an exit code from 0 to 255, got 256", "S2.18: a code past 255")
line(function() curfew.server { name = "t", after = "nobody" } end, 'curfew.server: after: there is no server "nobody"',
	"an unknown dependency")
tap.like(select(2, pcall(curfew.abort, 256)), "^t/lua/real%.lua:%d+: .*256", "S2.18: a decision's code past 255")
tap.is(curfew.state, "new", "curfew.state before the start")

-- ---- servers of every kind

local order, trace = {}, {}
local function mark(word)
	order[#order + 1] = word
end

local web = curfew.http {
	name = "web", listen = { "127.0.0.1:0", "unix:" .. dir .. "/web.sock" },
	routes = {
		["GET /"] = function() return "Hello\n" end,
		["GET /teapot"] = function() return 418, "short\n", { ["Content-Type"] = "text/x-pot" } end,
		["POST /echo/:id/*"] = function(req)
			return { status = 201, body = table.concat({ req.method, req.params.id, req.params["*"], req.body, req.args.q,
				req.headers["X-Thing"], req.route }, " ") }
		end,
		["GET /callback"] = function(req, res)
			curfew.fs.exists(dir, function(yes) res:send(yes and 200 or 500, "done\n") end)
		end,
		["GET /pieces"] = function(req, res)
			for i = 1, 3 do
				res:write(i .. "\n")
				curfew.sleep("5ms")
			end
			res:finish("end\n")
		end,
		["GET /broken"] = function() error "on purpose" end,
		["GET /silent"] = function() end,
		["GET /nil"] = function() return nil, "no such thing" end,
		["GET /wrong"] = function() return 99 end,
		["GET /held"] = function(req, res)
			res:hold()
			trace.held = res
		end,
	},
}
local echo = curfew.tcp { name = "echo", listen = "127.0.0.1:0", handler = function(conn)
	for text in conn:lines() do
		conn:write(text:upper(), "\n")
	end
end }
local child = curfew.process { name = "child", command = { "sleep", 1000 }, stop = "TERM" }
local thing = curfew.server { name = "thing",
	start = function(ctx) mark("start " .. ctx.server.name) end,
	stop = function(ctx) mark("stop " .. ctx.server.name) end,
}
tap.is(web:after(echo, "child"):after { thing }, web, "after returns the server")
line(function() thing:after(web) end, "server:after: servers that wait for each other: thing -> web -> thing",
	"a cycle is shown")
line(function() curfew.server { name = "web" } end, 'curfew.server: there is a server named "web" already', "a name used twice")
thing:pre_start(function() mark "pre_start" end):post_start(function(ctx)
	curfew.sleep("1ms")
	mark("post_start " .. ctx.phase .. " " .. tostring(ctx.trigger))
end)

-- ---- waiting, before any start (S3.7)

local began = curfew.now()
curfew.sleep("20ms")
tap.ok(curfew.now() - began >= 0.02, "S3.7: the main script may wait")
local ticks = 0
local timer = curfew.every("1ms", function() ticks = ticks + 1 end)
curfew.sleep("30ms")
tap.ok(timer:cancel() and ticks > 3, "every, and its cancel")
tap.is(curfew.spawn(function(a) curfew.sleep("1ms") return a * 2 end, 21):await("5s"), 42, "spawn and await")
tap.same({ curfew.timeout("10ms", function() curfew.sleep("1h") end) }, { nil, "timed out", "ETIMEDOUT" }, "timeout")
local all = curfew.all { a = function() curfew.sleep("2ms") return 1 end, b = function() return 2 end }
tap.same(all, { a = 1, b = 2 }, "all")
local cancelled = true
tap.is(curfew.race {
	function() curfew.sleep("1h") cancelled = false end,
	function() curfew.sleep("1ms") return "won" end,
}, "won", "race")
local _, why, code = curfew.all { function() error "in all" end, function() curfew.sleep("1h") end }
tap.like(why, "^t/lua/real%.lua:%d+: in all", "all: the first error")
tap.is(code, "ELUA", "… and its code")
local closed
curfew.timeout("5ms", function()
	local _ <close> = setmetatable({}, { __close = function() closed = true end })
	curfew.all { function() curfew.sleep("1h") end, function() curfew.sleep("20ms") cancelled = false end }
end)
curfew.sleep("40ms")
tap.ok(closed, "a cancelled task closes its <close> variables")
tap.ok(cancelled, "and what it waited for is cancelled with it")
local waiting = curfew.spawn(function() curfew.sleep("1h") end)
tap.same({ waiting:done(), waiting:cancel(), waiting:done(), waiting:cancel() }, { false, true, true, false }, "cancel")

-- ---- operations

local path = dir .. "/file"
tap.is(curfew.fs.exists(path), false, "fs.exists: no")
tap.is(curfew.fs.write(path, "one\n", { mode = "0640" }), true, "fs.write")
tap.is(curfew.fs.write(path, "two\n", { append = true, sync = true }), true, "fs.write: append")
tap.is(curfew.fs.read(path), "one\ntwo\n", "fs.read")
local stat = curfew.fs.stat(path)
tap.same({ stat.type, stat.size, stat.mode & 511 }, { "file", 8, 416 }, "fs.stat")
tap.is(curfew.fs.rename(path, path .. "2"), true, "fs.rename")
tap.is(curfew.fs.remove(path .. "2"), true, "fs.remove")
tap.is(select(3, curfew.fs.read(path)), "ENOENT", "a failure has its code")
tap.is(select(2, curfew.fs.read("/dev/zero", { max = "1KB" })) ~= nil, true, "fs.read: a limit")
local seen
curfew.fs.exists(dir, function(yes) seen = yes end)
tap.is(seen, nil, "with a callback it returns at once")
curfew.sleep("100ms")
tap.is(seen, true, "… and calls back")

local r = curfew.exec { "sh", "-c", "cat; echo $A >&2; exit 3", stdin = "in", env = { A = "b" }, cwd = "/" }
tap.same({ r.code, r.signal, r.stdout, r.stderr }, { 3, nil, "in", "b\n" }, "exec")
r = curfew.exec { "sh", "-c", "kill -9 $$" }
tap.same({ r.code, r.signal }, { nil, r.signal }, "exec: ended by a signal")
tap.ok(r.signal == 9 or r.signal == "SIGKILL", "… which is told: " .. tostring(r.signal))
tap.is(select(3, curfew.exec { "/no/such/program" }), "ENOENT", "exec: no such program is no exit code")
tap.is(select(3, curfew.exec { "sleep", 1000, timeout = "10ms" }), "ETIMEDOUT", "exec: too long")
tap.same({ os.execute "exit 3" }, { nil, "exit", 3 }, "os.execute")
tap.same({ os.execute "kill -9 $$" }, { nil, "signal", 9 }, "os.execute: a signal")
tap.same({ os.execute() }, { true }, "os.execute(): there is a shell")
local pipe = io.popen "echo one; echo 2; exit 4"
tap.same({ pipe:read("l", "n", "a") }, { "one", 2, "\n" }, "io.popen: read")
tap.same({ pipe:close() }, { nil, "exit", 4 }, "… and close")
pipe = io.popen("cat > " .. path, "w")
pipe:write("to ", "a pipe")
tap.same({ pipe:close() }, { true, "exit", 0 }, "io.popen: write")
tap.is(curfew.fs.read(path), "to a pipe", "… has written it")
curfew.fs.write(dir .. "/waits.lua", "require 'curfew'.sleep('1ms') return { name = ... }")
package.path = dir .. "/?.lua;" .. package.path
tap.is(require "waits".name, "waits", "a module may wait while it is loaded")

-- ---- start

tap.same({ web.name, web.kind, web.state, web.address }, { "web", "http", "down", nil }, "a server that is down")
tap.same({ curfew.start() }, { true }, "S3.1: start")
tap.is(curfew.state, "started", "curfew.state")
tap.same({ web.state, echo.state, child.state, thing.state }, { "started", "started", "started", "started" }, "all started")
tap.is(table.concat(order, ", "), "pre_start, start thing, post_start post_start nil", "hooks of the start, in order")
local address, socket = web.address:match "^(127%.0%.0%.1:%d+), unix:(.*)$"
tap.is(socket, dir .. "/web.sock", "where it really listens")
tap.ok(child.pid > 1, "the child's pid")
tap.is(curfew.find "child", child, "find")
tap.is(type(web:stats()), "table", "stats")

-- ---- as a client

local function get(target, opts)
	local reply, message, name = curfew.fetch("http://" .. address .. target, opts)
	return reply or { status = message, body = name, headers = {} }
end
r = get "/"
tap.same({ r.status, r.body, r.headers["content-type"] }, { 200, "Hello\n", "text/plain; charset=utf-8" }, "GET /")
r = get "/teapot"
tap.same({ r.status, r.body, r.headers["content-type"] }, { 418, "short\n", "text/x-pot" }, "status, body, headers")
r = get("/echo/7/a/b?q=x+y", { method = "POST", body = "body", headers = { ["X-Thing"] = "t" } })
tap.same({ r.status, r.body }, { 201, "POST 7 a/b body x y t POST /echo/:id/*" }, "what a request has")
tap.is(get "/callback".body, "done\n", "callback style")
tap.is(get "/pieces".body, "1\n2\n3\nend\n", "in pieces")
tap.is(get "/nowhere".status, 404, "no such path")
r = get("/", { method = "DELETE" })
tap.same({ r.status, r.headers["allow"] }, { 405, r.headers["allow"] }, "no such method")
tap.like(r.headers["allow"], "GET", "… and what there is")
for _, target in ipairs { "/broken", "/silent", "/nil", "/wrong" } do
	tap.is(get(target).status, 500, "S6.2, S6.3: 500 for " .. target)
end
local held = curfew.spawn(get, "/held")
tap.is(select(3, held:await "30ms"), "ETIMEDOUT", "S6.3: a held reply waits")
trace.held:send(200, "at last")
r = held:await "5s"
tap.same({ r.status, r.body }, { 200, "at last" }, "… until it is sent")
tap.same({ pcall(trace.held.send, trace.held, "again") },
	{ false, ("t/lua/real.lua:%d: res:send: the reply was sent already"):format(debug.getinfo(1, "l").currentline - 1) },
	"a second reply is a mistake")
r = curfew.fetch("http://localhost/", { unix = dir .. "/web.sock" })
tap.is(r and r.body, "Hello\n", "over the Unix socket")
tap.is(select(3, curfew.fetch("http://127.0.0.1:1/", { timeout = "5s" })), "ECONNREFUSED", "fetch: refused")

local echoed = curfew.exec { "bash", "-c", [[exec 3<>/dev/tcp/$0/$1; printf 'one\ntwo' >&3; read -r a <&3; echo "$a"]],
	echo.address:match "^(.*):", echo.address:match ":(%d+)$", timeout = "5s" }
tap.is(echoed and echoed.stdout, "ONE\n", "tcp: lines come back")

-- ---- stop without the end, start again, and the end

tap.same({ web:stop() }, { true }, "server:stop()")
tap.is(web.state, "down", "it is down")
tap.same({ web:start() }, { true }, "server:start()")
order = {}
thing:pre_stop(function(ctx)
	trace.ctx = { ctx.server.name, ctx.trigger.name, ctx.mode, ctx.phase, ctx.result }
	trace.remaining, trace.elapsed = ctx:remaining(), ctx.elapsed
	trace.extended = { ctx:extend("25s") }
	trace.longer = ctx:remaining()
	mark "pre_stop"
end, { name = "look", timeout = "30s" }):post_stop(function(ctx) mark("post_stop " .. ctx.result) end)
curfew.pre_stop(function() mark "all pre_stop" end)
curfew.post_stop(function() mark "all post_stop" end)
tap.same({ curfew.stop { exit = false } }, { true }, "S3.4: stop{ exit = false }")
tap.is(curfew.state, "stopped", "S3.4: the process goes on")
tap.is(table.concat(order, ", "), "all pre_stop, pre_stop, stop thing, post_stop stopped, all post_stop",
	"S4.1: hooks in order")
tap.same(trace.ctx, { "thing", "stop", "graceful", "pre_stop" }, "what a hook is told")
tap.ok(trace.remaining > 10 and trace.remaining <= 20, "ctx:remaining()")
tap.ok(trace.elapsed >= 0 and trace.elapsed < 10, "ctx.elapsed")
tap.same(trace.extended, { true }, "S4.6: ctx:extend()")
tap.ok(trace.longer > trace.remaining, "S4.6: … moves the deadline")
tap.same({ curfew.start() }, { true }, "S3.4: start works again")
local counted
curfew.on("custom:deploy", function(t) counted = t.name .. t.count return curfew.ignore end)
tap.ok(curfew.trigger "custom:deploy", "a trigger of one's own")
local deadline = curfew.now() + 5
while not counted and curfew.now() < deadline do
	curfew.sleep("1ms")
end
tap.is(counted, "custom:deploy1", "… and its rule")

tap.done()
