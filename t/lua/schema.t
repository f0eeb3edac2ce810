#!/usr/bin/env lua5.4
-- What a policy's author may do wrong, and the message for it, word by word.
local tap = dofile "t/lib/tap.lua"
local mock = dofile "t/lua/mock.lua"

local function http(fields)
	return 'curfew.http { name = "web", listen = "127.0.0.1:0", ' .. fields .. " }"
end

local function process(fields)
	return 'curfew.process { name = "db", command = { "redis-server" }, ' .. fields .. " }"
end

-- { what is wrong, script, message after "policy.lua:1: " }
local cases = {
	-- configure
	{ "a unit that is none", 'curfew.configure { exit_timeout = "5 parsecs" }', [[
curfew.configure: exit_timeout: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got "5 parsecs"]] },
	{ "a negative duration", "curfew.configure { start_timeout = -1 }", [[
curfew.configure: start_timeout: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got -1]] },
	{ "a duration of nothing", "curfew.configure { exit_timeout = 0 }", [[
curfew.configure: exit_timeout: expected a duration longer than 0, got 0]] },
	{ "a duration that is a table", "curfew.configure { stop_margin = {} }", [[
curfew.configure: stop_margin: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got a table]] },
	{ "a misspelt setting", 'curfew.configure { exit_timout = "5s" }', [[
curfew.configure: unknown key "exit_timout", did you mean "exit_timeout"?]] },
	{ "a setting like nothing we have", "curfew.configure { colour = 1 }", [[
curfew.configure: unknown key "colour"]] },
	{ "no table", 'curfew.configure("5s")', [[
curfew.configure: expected a table such as { exit_timeout = "5s" }, got "5s"]] },
	{ "a size that is none", 'curfew.configure { memory_limit = "64 bananas" }', [[
curfew.configure: memory_limit: expected a size such as 65536, "64KB", "1MB" or "1GB", got "64 bananas"]] },
	{ "a word for a boolean", 'curfew.configure { strict = "yes" }', [[
curfew.configure: strict: expected true or false, got "yes"]] },
	{ "an unknown log level", 'curfew.configure { log = { level = "loud" } }', [[
curfew.configure: log.level: expected one of "debug", "info", "warn" or "error", got "loud"]] },
	{ "a misspelt key further in", 'curfew.configure { log = { levle = "info" } }', [[
curfew.configure: log: unknown key "levle", did you mean "level"?]] },
	{ "health without listen", "curfew.configure { health = {} }", [[
curfew.configure: health.listen: expected an address such as "127.0.0.1:8080", "[::1]:80" or "unix:/run/web.sock", got nil]] },
	{ "a ceiling below the floor", 'curfew.configure { exit_timeout = "1m", max_exit_timeout = "5s" }', [[
curfew.configure: max_exit_timeout is shorter than exit_timeout]] },
	{ "a list where keys are meant", 'curfew.configure { "5s" }', [[
curfew.configure: unknown key 1]] },

	-- servers
	{ "a misspelt key", http 'lisen = "127.0.0.1:80"', [[
curfew.http: unknown key "lisen", did you mean "listen"?]] },
	{ "a hook among the settings", http "pre_stop = function() end", [[
curfew.http: unknown key "pre_stop": hooks are added to the server: web:pre_stop(function(ctx) … end)]] },
	{ "no name", 'curfew.http { listen = "127.0.0.1:0" }', [[
curfew.http: name: expected a name: a string without control characters, not empty, got nil]] },
	{ "an empty name", 'curfew.http { name = "", listen = "127.0.0.1:0" }', [[
curfew.http: name: expected a name: a string without control characters, not empty, got ""]] },
	{ "a name of two lines", [[curfew.server { name = "a\nb" }]], [[
curfew.server: name: expected a name: a string without control characters, not empty, got "a\x0ab"]] },
	{ "a name used twice", 'curfew.server { name = "a" } curfew.server { name = "a" }', [[
curfew.server: there is a server named "a" already]] },
	{ "called without a table", "curfew.http()", [[
curfew.http: expected a table such as { name = "web", listen = "127.0.0.1:8080", routes = {…} }, got nil]] },
	{ "a kind that is none", 'curfew.htpp { name = "web" }', [[
curfew: unknown name "htpp", did you mean "http"?]] },

	-- addresses
	{ "nowhere to listen", 'curfew.http { name = "web" }', [[
curfew.http: listen: expected an address such as "127.0.0.1:8080", "[::1]:80" or "unix:/run/web.sock", got nil]] },
	{ "no port", 'curfew.http { name = "web", listen = "127.0.0.1" }', [[
curfew.http: listen: "127.0.0.1" has no port: expected an address such as "127.0.0.1:8080", "[::1]:80" or "unix:/run/web.sock"]] },
	{ "a port alone", 'curfew.http { name = "web", listen = 8080 }', [[
curfew.http: listen: expected an address such as "127.0.0.1:8080", "[::1]:80" or "unix:/run/web.sock", got 8080]] },
	{ "a port out of range", 'curfew.tcp { name = "t", listen = "127.0.0.1:65536", handler = print }', [[
curfew.tcp: listen: the port of "127.0.0.1:65536" is not within 0 to 65535]] },
	{ "a port of too many digits", 'curfew.http { name = "web", listen = "127.0.0.1:00000000000000000080" }', [[
curfew.http: listen: the port of "127.0.0.1:00000000000000000080" is not within 0 to 65535]] },
	{ "IPv6 without brackets", 'curfew.http { name = "web", listen = "::1:80" }', [[
curfew.http: listen: an IPv6 address is written in brackets, with a port: "[::1]:80", got "::1:80"]] },
	{ "IPv6 without a port", 'curfew.http { name = "web", listen = "[::1]" }', [[
curfew.http: listen: "[::1]" has no port: expected an address such as "127.0.0.1:8080", "[::1]:80" or "unix:/run/web.sock"]] },
	{ "a Unix socket without a path", 'curfew.http { name = "web", listen = "unix:" }', [[
curfew.http: listen: expected a path after "unix:", got "unix:"]] },
	{ "a Unix socket's path too long", 'curfew.http { name = "web", listen = "unix:/" .. ("x"):rep(107) }', [[
curfew.http: listen: the path of a Unix socket has at most 107 bytes, this one has 108]] },
	{ "one bad address of several", 'curfew.http { name = "web", listen = { "127.0.0.1:0", "nonsense here" } }', [[
curfew.http: listen[2]: expected an address such as "127.0.0.1:8080", "[::1]:80" or "unix:/run/web.sock", got "nonsense here"]] },
	{ "no address in the list", 'curfew.http { name = "web", listen = {} }', [[
curfew.http: listen: expected a list of addresses, got an empty list]] },

	-- routes
	{ "a route without a method", http 'routes = { ["/x"] = print }', [[
curfew.http: routes: expected "METHOD /path" such as "GET /users/:id", got "/x"]] },
	{ "a misspelt method", http 'routes = { ["GTE /x"] = print }', [[
curfew.http: routes: "GTE /x": unknown method "GTE", did you mean "GET"?]] },
	{ "a method in small letters", http 'routes = { ["get /x"] = print }', [[
curfew.http: routes: "get /x": unknown method "get", did you mean "GET"?]] },
	{ "a path that is relative", http 'routes = { ["GET x"] = print }', [[
curfew.http: routes: expected "METHOD /path" such as "GET /users/:id", got "GET x"]] },
	{ "two spaces", http 'routes = { ["GET  /x"] = print }', [[
curfew.http: routes: expected "METHOD /path" such as "GET /users/:id": one space between method and path, none around, got "GET  /x"]] },
	{ "a query in a route", http 'routes = { ["GET /x?a=1"] = print }', [[
curfew.http: routes: "GET /x?a=1": a route is a path, the query is in req.query]] },
	{ "a route to nothing callable", http 'routes = { ["GET /x"] = "hello" }', [[
curfew.http: routes: "GET /x": expected a function, got "hello"]] },
	{ "a list of routes", http "routes = { print }", [[
curfew.http: routes: expected "METHOD /path" such as "GET /users/:id", got 1]] },
	{ "two routes for the same", http 'routes = { ["GET /a/:id"] = print, ["GET /a/:name"] = print }', [[
curfew.http: routes: "GET /a/:id" and "GET /a/:name" match the same requests]] },
	{ "a capture twice", http 'routes = { ["GET /:a/:a"] = print }', [[
curfew.http: routes: "GET /:a/:a": ":a" is there twice]] },
	{ "a capture without a name", http 'routes = { ["GET /:"] = print }', [[
curfew.http: routes: "GET /:": expected a name after ":", got ":"]] },
	{ "the rest in the middle", http 'routes = { ["GET /*/x"] = print }', [[
curfew.http: routes: "GET /*/x": "*" can only be the last segment, as in "GET /files/*"]] },
	{ "half a segment as the rest", http 'routes = { ["GET /x*"] = print }', [[
curfew.http: routes: "GET /x*": "*" can only be the last segment, as in "GET /files/*"]] },
	{ "routes that are no table", http "routes = print", [[
curfew.http: routes: expected a table such as { ["GET /"] = function(req, res) … end }, got a function]] },
	{ "tcp without a handler", 'curfew.tcp { name = "t", listen = "127.0.0.1:0" }', [[
curfew.tcp: handler: expected a function, got nil]] },
	{ "half a connection", 'curfew.tcp { name = "t", listen = "127.0.0.1:0", handler = print, max_connections = 0.5 }', [[
curfew.tcp: max_connections: expected a whole number from 1 to 1073741824, got 0.5]] },

	-- processes
	{ "no command", 'curfew.process { name = "db" }', [[
curfew.process: command: expected a list such as { "redis-server", "--port", "7001" }, got nil]] },
	{ "a command line as one string", 'curfew.process { name = "db", command = "redis-server --port 7001" }', [[
curfew.process: command: expected a list such as { "redis-server", "--port", "7001" }, got "redis-server --port 7001"]] },
	{ "an empty command", 'curfew.process { name = "db", command = {} }', [[
curfew.process: command: expected a list such as { "redis-server", "--port", "7001" }, got an empty list]] },
	{ "a program without a name", 'curfew.process { name = "db", command = { "" } }', [[
curfew.process: command: the name of the program is empty]] },
	{ "an argument that is none", 'curfew.process { name = "db", command = { "x", {} } }', [[
curfew.process: command[2]: expected a string, got a table]] },
	{ "a NUL in an argument", [[curfew.process { name = "db", command = { "x", "a\0b" } }]], [[
curfew.process: command[2]: expected a string, got "a\x00b"]] },
	{ "a key among the arguments", 'curfew.process { name = "db", command = { "x", env = {} } }', [[
curfew.process: command: expected a list such as { "redis-server", "--port", "7001" }, it has the key "env"]] },
	{ "a list as the environment", process 'env = { "KEY=value" }', [[
curfew.process: env: expected names of variables without =, got 1]] },
	{ "= in a variable's name", process 'env = { ["A=B"] = "c" }', [[
curfew.process: env: expected names of variables without =, got "A=B"]] },
	{ "a variable that is none", process "env = { A = true }", [[
curfew.process: env.A: expected a string, got true]] },
	{ "readiness of no kind", process 'ready = { timeout = "1s" }', [[
curfew.process: ready: expected exactly one of tcp, http, exec, notify or delay, got none]] },
	{ "readiness of two kinds", process 'ready = { tcp = "127.0.0.1:7001", notify = true }', [[
curfew.process: ready: expected exactly one of tcp, http, exec, notify or delay, got tcp and notify]] },
	{ "readiness of an unknown kind", process 'ready = { tpc = "127.0.0.1:7001" }', [[
curfew.process: ready: unknown key "tpc", did you mean "tcp"?]] },
	{ "readiness at port 0", process 'ready = { tcp = "127.0.0.1:0" }', [[
curfew.process: ready.tcp: the port of "127.0.0.1:0" is not within 1 to 65535]] },
	{ "readiness at no host", process 'ready = { tcp = ":80" }', [[
curfew.process: ready.tcp: ":80" has no host: expected "127.0.0.1:80"]] },
	{ "readiness at no URL", process 'ready = { http = "127.0.0.1:80" }', [[
curfew.process: ready.http: expected a URL such as "http://127.0.0.1:8080/ready", got "127.0.0.1:80"]] },
	{ "readiness by an empty command", process "ready = { exec = {} }", [[
curfew.process: ready.exec: expected a list such as { "redis-server", "--port", "7001" }, got an empty list]] },
	{ "notify = false", process "ready = { notify = false }", [[
curfew.process: ready.notify: expected true, got false]] },
	{ "ready as a word", process 'ready = "tcp"', [[
curfew.process: ready: expected a table such as { tcp = "127.0.0.1:7001", timeout = "10s" }, got "tcp"]] },
	{ "an unknown stop signal", process 'stop = { { signal = "TREM" } }', [[
curfew.process: stop[1].signal: unknown signal "TREM", did you mean "TERM"?]] },
	{ "the same with SIG", process 'stop = { { signal = "TERM" }, { signal = "SIGKIL" } }', [[
curfew.process: stop[2].signal: unknown signal "SIGKIL", did you mean "SIGKILL"?]] },
	{ "a stop signal by number", process "stop = { { signal = 15 } }", [[
curfew.process: stop[1].signal: expected the name of a signal such as "TERM", got 15]] },
	{ "a stop step without a signal", process 'stop = { { wait = "10s" } }', [[
curfew.process: stop[1].signal: expected the name of a signal such as "TERM", got nil]] },
	{ "no stop step", process "stop = {}", [[
curfew.process: stop: expected a list of steps such as { { signal = "TERM", wait = "10s" }, { signal = "KILL" } }, got an empty list]] },
	{ "an unknown key of a step", process 'stop = { { signal = "TERM", waits = 1 } }', [[
curfew.process: stop[1]: unknown key "waits", did you mean "wait"?]] },
	{ "an unknown way to restart", process 'restart = { on = "faliure" }', [[
curfew.process: restart.on: expected one of "never", "failure" or "always", got "faliure"]] },
	{ "restart without a case", process 'restart = { max = 5 }', [[
curfew.process: restart.on: expected one of "never", "failure" or "always", got nil]] },
	{ "a negative number of restarts", process 'restart = { on = "always", max = -1 }', [[
curfew.process: restart.max: expected a whole number from 0 to 1000000, got -1]] },
	{ "an output to nowhere", process 'stdout = "file:"', [[
curfew.process: stdout: expected one of "inherit", "log", "null" or "file:/path", got "file:"]] },
	{ "an unknown group to stop", process 'stop_to = "child"', [[
curfew.process: stop_to: expected one of "group" or "main", got "child"]] },
	{ "a function that is none", 'curfew.server { name = "t", start = true }', [[
curfew.server: start: expected a function, got true]] },

	-- dependencies
	{ "an unknown dependency", 'curfew.server { name = "db" } curfew.server { name = "t", after = "bd" }', [[
curfew.server: after: there is no server "bd", did you mean "db"?]] },
	{ "the same by method", 'curfew.server { name = "db" }:after("bd")', [[
server:after: there is no server "bd", did you mean "db"?]] },
	{ "a dependency that is no server", 'curfew.server { name = "t", after = { 5 } }', [[
curfew.server: after[1]: expected a server or its name, got 5]] },
	{ "after nothing", 'curfew.server { name = "t" }:after()', [[
server:after: expected a server or its name]] },
	{ "after nil", 'curfew.server { name = "t" }:after(nil)', [[
server:after: expected a server or its name]] },
	{ "a cycle", 'local a = curfew.server { name = "a" } local b = curfew.server { name = "b", after = a } a:after(b)', [[
server:after: servers wait for each other: a -> b -> a]] },
	{ "a server after itself", 'local a = curfew.server { name = "a" } a:after(a)', [[
server:after: servers wait for each other: a -> a]] },

	-- handles
	{ "a dot for a colon", 'local web = curfew.server { name = "web" } web.pre_stop(function() end)', [[
server:pre_stop: call it with a colon, web:pre_stop(…), not with a dot]] },
	{ "a misspelt method", 'local web = curfew.server { name = "web" } web:pre_stopp(print)', [[
server web: unknown name "pre_stopp", did you mean "pre_stop"?]] },
	{ "setting a field", 'local web = curfew.server { name = "web" } web.state = "started"', [[
server web: "state" cannot be set: a server is what its definition says]] },
	{ "setting a field of curfew", 'curfew.exit_timeout = "5s"', [[
curfew: "exit_timeout" cannot be set; settings go into curfew.configure { … }]] },
	{ "a server by no name", "curfew.find(5)", [[
curfew.find: expected the name of a server, got 5]] },

	-- hooks
	{ "a hook that is none", 'curfew.server { name = "web" }:pre_stop("drain")', [[
server:pre_stop: expected a function, got "drain"]] },
	{ "no hook", "curfew.pre_stop()", [[
curfew.pre_stop: expected a function, got nil]] },
	{ "a negative limit", "curfew.post_stop(print, { timeout = -1 })", [[
curfew.post_stop: timeout: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got -1]] },
	{ "a misspelt option", 'curfew.pre_stop(print, { timout = "2s" })', [[
curfew.pre_stop: unknown key "timout", did you mean "timeout"?]] },
	{ "a name in the options' place", 'curfew.pre_stop(print, "drain")', [[
curfew.pre_stop: expected a table such as { name = "drain", timeout = "2s" }, got "drain"]] },

	-- rules
	{ "a misspelt trigger", 'curfew.on("closd", curfew.ignore)', [[
curfew.on: unknown trigger "closd", did you mean "closed"?]] },
	{ "a misspelt signal", 'curfew.on("SIGTRM", curfew.ignore)', [[
curfew.on: unknown trigger "SIGTRM", did you mean "SIGTERM"?]] },
	{ "a misspelt one of several", 'curfew.on({ "SIGINT", "idel" }, curfew.ignore)', [[
curfew.on: unknown trigger "idel", did you mean "idle"?]] },
	{ "a trigger of one's own", 'curfew.on("deploy", curfew.ignore)', [[
curfew.on: unknown trigger "deploy"; one of your own is written "custom:deploy"]] },
	{ "nothing like a trigger", 'curfew.on("no such thing", curfew.ignore)', [[
curfew.on: unknown trigger "no such thing"]] },
	{ "one of two lines", [[curfew.on("custom:a\nb", curfew.ignore)]], [[
curfew.on: the name of a trigger has no control characters, got "custom:a\x0ab"]] },
	{ "raised", [[curfew.trigger "custom:a\nb"]], [[
curfew.trigger: the name of a trigger has no control characters, got "custom:a\x0ab"]] },
	{ "a signal that nobody can catch", 'curfew.on("SIGKILL", curfew.ignore)', [[
curfew.on: no process can catch SIGKILL]] },
	{ "no trigger", "curfew.on(curfew.graceful)", [[
curfew.on: expected a trigger such as "SIGTERM" or "closed", or a list of them, got a table]] },
	{ "a decision as a string", 'curfew.on("SIGTERM", "graceful")', [[
curfew.on: expected a function or a decision such as curfew.graceful(0), got "graceful"]] },
	{ "no rule", 'curfew.on("SIGTERM")', [[
curfew.on: expected a function or a decision such as curfew.graceful(0), got nil]] },
	{ "a trigger without a name", "curfew.trigger()", [[
curfew.trigger: expected the name of a trigger, got nil]] },
	{ "raising a misspelt trigger", 'curfew.trigger("rejecton")', [[
curfew.trigger: unknown trigger "rejecton", did you mean "rejection"?]] },
	{ "raising one's own by its bare name", 'curfew.trigger("deploy")', [[
curfew.trigger: unknown trigger "deploy"; one of your own is written "custom:deploy"]] },
	{ "raising what only curfew may", 'curfew.trigger("closed")', [[
curfew.trigger: only curfew itself raises "closed"]] },
	{ "raising what no process can catch", 'curfew.trigger("KILL")', [[
curfew.trigger: no process can catch SIGKILL]] },
	{ "a trigger's code", 'curfew.trigger("custom:deploy", 256)', [[
curfew.trigger: expected a whole number from 0 to 255, got 256]] },

	-- life
	{ "S2.18: a code above 255", "curfew.exit(256)", "curfew.exit: expected an exit code from 0 to 255, got 256" },
	{ "S2.18: a negative code", "curfew.exit(-1)", "curfew.exit: expected an exit code from 0 to 255, got -1" },
	{ "S2.18: half a code", "curfew.exit(1.5)", "curfew.exit: expected an exit code from 0 to 255, got 1.5" },
	{ "S2.18: a code that is a word", 'curfew.exit("1")', 'curfew.exit: expected an exit code from 0 to 255, got "1"' },
	{ "a misspelt option of stop", "curfew.stop { exti = false }", [[
curfew.stop: unknown key "exti", did you mean "exit"?]] },
	{ "a callback that is none", "curfew.start(5)", [[
curfew.start: expected a callback function as the last argument, got 5]] },

	-- waiting
	{ "sleeping for nil", "curfew.sleep()", [[
curfew.sleep: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got nil]] },
	{ "sleeping backwards", "curfew.sleep(-0.1)", [[
curfew.sleep: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got -0.1]] },
	{ "sleeping for NaN", "curfew.sleep(1 - (0/0))", [[
curfew.sleep: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got nan]] },
	{ "sleeping for ever", "curfew.sleep(math.huge)", [[
curfew.sleep: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got inf]] },
	{ "a timer without a function", 'curfew.after("1s")', "curfew.after: expected a function, got nil" },
	{ "every nothing", "curfew.every(0, print)", "curfew.every: expected a duration longer than 0, got 0" },
	{ "spawning nothing", "curfew.spawn()", "curfew.spawn: expected a function, got nil" },
	{ "all of a function", "curfew.all(print)", "curfew.all: expected a list of functions or tasks, got a function" },
	{ "all of a word", 'curfew.all { print, "x" }', 'curfew.all: [2]: expected a function or a task, got "x"' },
	{ "a race of nobody", "curfew.race {}", "curfew.race: expected at least one function or task" },
	{ "a limit on nothing", 'curfew.timeout("1s")', "curfew.timeout: expected a function, got nil" },
	{ "a task's method with a dot", "curfew.spawn(print).await()", [[
task:await: call it with a colon, task:await(…), not with a dot]] },
	{ "an event without a name", "curfew.wait()", "curfew.wait: expected the name of an event, got nil" },
	{ "a subscription to nothing", 'curfew.subscribe("x")', "curfew.subscribe: expected a function, got nil" },

	-- operations
	{ "a command as a string", 'curfew.exec("ls -l")', [[
curfew.exec: expected a table such as { "pg_dump", "db", timeout = "10s" }, got "ls -l"]] },
	{ "no command", 'curfew.exec { timeout = "1s" }', [[
curfew.exec: the command is empty: expected a table such as { "pg_dump", "db", timeout = "10s" }]] },
	{ "a misspelt option of exec", 'curfew.exec { "ls", timout = "1s" }', [[
curfew.exec: unknown key "timout", did you mean "timeout"?]] },
	{ "a hole in the command", 'curfew.exec { "ls", nil, "x" }', [[
curfew.exec: [2]: expected a string, got nil]] },
	{ "no URL", 'curfew.fetch("example.org")', [[
curfew.fetch: expected a URL such as "http://127.0.0.1:8080/ready", got "example.org"]] },
	{ "a scheme we do not speak", 'curfew.fetch("ftp://example.org/")', [[
curfew.fetch: expected a URL such as "http://127.0.0.1:8080/ready", got "ftp://example.org/"]] },
	{ "a line break in a URL", [[curfew.fetch("http://a/\r\nX: y")]], [[
curfew.fetch: expected a URL such as "http://127.0.0.1:8080/ready", got "http://a/\x0d\x0aX: y"]] },
	{ "a method in small letters", 'curfew.fetch("http://a/", { method = "post" })', [[
curfew.fetch: method: expected a method such as "POST", got "post"]] },
	{ "a line break in a header", [[curfew.fetch("http://a/", { headers = { A = "b\nc" } })]], [[
curfew.fetch: headers: A: a header's value has no line breaks, got "b\x0ac"]] },
	{ "a header's name with a colon", [[curfew.fetch("http://a/", { headers = { ["A:"] = "b" } })]], [[
curfew.fetch: headers: expected the name of a header such as "Content-Type", got "A:"]] },
	{ "no path", "curfew.fs.exists()", "curfew.fs.exists: expected a string that is not empty, got nil" },
	{ "an empty path", 'curfew.fs.read("")', 'curfew.fs.read: expected a string that is not empty, got ""' },
	{ "no data", 'curfew.fs.write("/x")', "curfew.fs.write: expected the data as a string, got nil" },
	{ "a mode that is none", 'curfew.fs.write("/x", "", { mode = "rw" })', [[
curfew.fs.write: mode: expected a mode such as "0640", got "rw"]] },
	{ "a misspelt operation", 'curfew.fs.exist("/x")', 'curfew.fs: unknown name "exist", did you mean "exists"?' },
	{ "a misspelt level", 'curfew.log.inof("x")', 'curfew.log: unknown level "inof", did you mean "info"?' },
	{ "os.execute of a table", 'os.execute({ "ls" })', "os.execute: expected a command as a string, got a table" },
	{ "io.popen both ways", 'io.popen("ls", "rw")', 'io.popen: expected the mode "r" or "w", got "rw"' },
}

for _, case in ipairs(cases) do
	local what, script, message = case[1], case[2], case[3]
	tap.is(mock.new():error(script), "policy.lua:1: " .. message, what)
end

local m = mock.new()
tap.is(m:error '\n\nlocal ok = 1\ncurfew.sleep("x")', [[
policy.lua:4: curfew.sleep: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got "x"]], "the line is the script's")
tap.is(m:error 'local function mine()\n\tlocal x = curfew.sleep("x")\n\treturn x\nend\nmine()', [[
policy.lua:2: curfew.sleep: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got "x"]], "in a function of the script too")
tap.is(m:error [[local long = ("y"):rep(100) curfew.sleep(long)]], [[
policy.lua:1: curfew.sleep: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got "]]
	.. ("y"):rep(60) .. '"…', "a long value is cut")

tap.done()
