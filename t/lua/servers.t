#!/usr/bin/env lua5.4
-- Definitions as the core gets them, handles, dependencies, hooks and their ctx.
local tap = dofile "t/lib/tap.lua"
local mock = dofile "t/lua/mock.lua"

local S, MS = 1000000000, 1000000

-- ---- definitions

local m = mock.new()
local function f() end
m:run([[
	curfew.http {
		name = "web", listen = { "127.0.0.1:0", "[::1]:80", ":81", "*:82", "localhost:83", "unix:/run/web.sock" },
		keep_alive = "5s", request_timeout = "20s", max_body = "1MB", max_headers = "16KB", drain = "4s", idle_grace = "100ms", close_spread = "2s",
		routes = { ["GET /"] = given, ["ANY /u/:id/*"] = given }, handler = given,
		start_timeout = 3, stop_timeout = "2s",
	}
	curfew.tcp { name = "echo", listen = "127.0.0.1:7", handler = given, max_connections = 10, after = "web" }
	local db = curfew.process {
		name = "db", command = { "redis-server", "--port", 7001 }, env = { KEY = "value", PORT = 7001 }, clear_env = true,
		cwd = "/", user = "redis", group = 0, stdin = "null", stdout = "log", stderr = "file:/var/log/db",
		ready = { tcp = "127.0.0.1:7001", timeout = "10s", interval = "50ms" },
		stop = { { signal = "TERM", wait = "10s" }, { signal = "SIGKILL" } }, stop_to = "main", new_session = true,
		restart = { on = "failure", backoff = "200ms", max = 5 }, expect_exit = false, overlap = false, foreground = true,
	}
	curfew.process { name = "db2", command = { "x" }, restart = "always", stop = { signal = "QUIT" }, ready = { exec = { "y" } },
		after = { db, "web" } }
	curfew.process { name = "db3", command = { "x" }, stop = { "QUIT", "KILL" }, after = db }
	curfew.server { name = "thing", start = given, stop = given, abort = given }
]], f)
local defs = {}
for i, server in ipairs(m.servers) do
	defs[i] = server.def
end
tap.same(defs[1], {
	kind = "http", name = "web", listen = { "127.0.0.1:0", "[::1]:80", ":81", "*:82", "localhost:83", "unix:/run/web.sock" },
	keep_alive = 5 * S, request_timeout = 20 * S, max_body = 1048576, max_headers = 16384, drain = 4 * S, idle_grace = 100 * MS, close_spread = 2 * S,
	routes = { ["GET /"] = f, ["ANY /u/:id/*"] = f }, handler = f, start_timeout = 3 * S, stop_timeout = 2 * S,
}, "http: every key in the core's units")
tap.same(defs[2], {
	kind = "tcp", name = "echo", listen = { "127.0.0.1:7" }, handler = f, max_connections = 10, after = { "web" },
}, "tcp: one address is a list of one")
tap.same(defs[3], {
	kind = "process", name = "db", command = { "redis-server", "--port", "7001" }, env = { KEY = "value", PORT = "7001" },
	clear_env = true, cwd = "/", user = "redis", group = "0", stdin = "null", stdout = "log", stderr = "file:/var/log/db",
	ready = { tcp = "127.0.0.1:7001", timeout = 10 * S, interval = 50 * MS },
	stop = { { signal = "TERM", wait = 10 * S }, { signal = "SIGKILL" } }, stop_to = "main", new_session = true,
	restart = { on = "failure", backoff = 200 * MS, max = 5 }, expect_exit = false, overlap = false, foreground = true,
}, "process: every key, numbers as words of a command")
tap.same(defs[4], {
	kind = "process", name = "db2", command = { "x" }, restart = { on = "always" }, stop = { { signal = "QUIT" } },
	ready = { exec = { "y" } }, after = { "db", "web" },
}, "process: short forms of restart and stop, dependencies by handle and name")
tap.same(defs[5], {
	kind = "process", name = "db3", command = { "x" }, stop = { { signal = "QUIT" }, { signal = "KILL" } }, after = { "db" },
}, "process: stop signals by name alone, one dependency")
tap.same(defs[6], { kind = "server", name = "thing", start = f, stop = f, abort = f }, "server: three functions")

m = mock.new()
tap.same({ m:run [[
	local def = { name = "web", listen = "127.0.0.1:0", drain = "4s" }
	curfew.http(def)
	return def.listen, def.drain, def.kind ]] }, { "127.0.0.1:0", "4s" }, "the script's own table is not changed")

-- ---- handles

m = mock.new()
tap.same({ m:run [[
	local web = curfew.http { name = "web", listen = "127.0.0.1:0" }
	return web.name, web.kind, web.state, web.address, web.pid, tostring(web), web:stats().requests ]] },
	{ "web", "http", "down", "127.0.0.1:0", nil, "curfew.server: web", 7 }, "fields and counters")
m.servers[1].info.state, m.servers[1].info.address = "started", "127.0.0.1:43211"
tap.same({ m:run [[
	local web = curfew.find "web"
	return web.state, web.address, web == curfew.find("web"), curfew.find("nobody") ]] },
	{ "started", "127.0.0.1:43211", true }, "find: the same handle; what changes is asked at each use")
tap.same({ m:run [[
	local web, seen = curfew.find "web"
	local a, b, c = web:start(), web:stop(), web:restart()
	local d = web:restart(function(ok) seen = ok end)
	curfew.sleep("1s")
	return a, b, c, d, seen ]] }, { true, true, true, true, true }, "start, stop, restart; with a callback too")
tap.same(m.requests, {
	{ what = "server_start", id = 1 }, { what = "server_stop", id = 1 }, { what = "server_restart", id = 1 },
	{ what = "server_restart", id = 1 },
}, "… ask the core")
m.on_request = function()
	return nil, "a stop is running", "EBUSY"
end
tap.same({ m:run [[return curfew.find("web"):start()]] }, { nil, "a stop is running", "EBUSY" }, "a refusal is nil, message, code")

m.stopping = true
tap.same({ m:run [[return curfew.server { name = "late" }]] }, { nil, "a stop has begun", "EBUSY" }, "so is a definition too late")

-- S7.1: no script runs on without a server or a hook of its own
m = mock.new()
m:run [[curfew.server { name = "web" }]]
m.scarce = true
tap.same({ m:run [[return pcall(curfew.server, { name = "late" })]] }, { false, "policy.lua:1: curfew.server: out of memory" }, "memory that is gone is raised")
tap.same({ m:run [[local web = curfew.find "web" return pcall(web.pre_stop, web, function() end)]] },
	{ false, "policy.lua:1: server:pre_stop: out of memory" }, "for a hook, too")

m = mock.new()
m:run [[web = curfew.server { name = "web" }]]
tap.same({ m:run([[
	local web = curfew.find "web"
	given.servers[1].gone = true
	local _, a, b = web:stats()
	local _, c, d = web:pre_stop(print)
	return web.name, web.state, a, b, c, d ]], m) }, { "web", nil, "server gone", "ESRCH", "server gone", "ESRCH" },
	"a handle of a server that is gone")

-- ---- dependencies

m = mock.new()
tap.same({ m:run [[
	local a, b, c = curfew.server { name = "a" }, curfew.server { name = "b" }, curfew.server { name = "c" }
	local same = c:after(a, "b") == c
	local d = curfew.server { name = "d" }:after { a, c }:after("b")
	return same, d.name ]] }, { true, "d" }, "after: several, a list, chained")
tap.same(m.servers[3].on, { 1, 2 }, "… c after a and b")
tap.same(m.servers[4].on, { 1, 3, 2 }, "… d after a, c and b")

-- ---- hooks

m = mock.new()
tap.same({ m:run([[
	local web = curfew.server { name = "web" }
	local same = web:pre_start(given):post_start(given):pre_stop(given, { name = "drain", timeout = "2s" }):post_stop(given) == web
	return same, curfew.pre_stop(given),
		curfew.post_stop(given, { timeout = 1 }) ]], f) }, { true, true, true }, "hooks are chained")
tap.same(m.hook_list, {
	{ server = 1, phase = "pre_start", where = "policy.lua:2", fn = f },
	{ server = 1, phase = "post_start", where = "policy.lua:2", fn = f },
	{ server = 1, phase = "pre_stop", where = "policy.lua:2", fn = f, name = "drain", timeout_ns = 2 * S },
	{ server = 1, phase = "post_stop", where = "policy.lua:2", fn = f },
	{ phase = "pre_stop", where = "policy.lua:3", fn = f },
	{ phase = "post_stop", where = "policy.lua:4", fn = f, timeout_ns = S },
}, "… and the core gets where they stand, their names and limits")

local given = {}
m = mock.new()
m:run([[
	curfew.server { name = "web" }:pre_stop(function(ctx)
		given.seen = { ctx.server.name, ctx.trigger.name, ctx.trigger.server.name, ctx.mode, ctx.phase, ctx.deadline }
		curfew.sleep("1s")
		given.elapsed, given.remaining = ctx.elapsed, ctx:remaining()
		given.extended = { ctx:extend("10s") }
		given.moved = ctx:remaining()
		given.wrong = select(2, pcall(ctx.extend, ctx, "soon"))
		curfew.sleep("1h")
		given.late = ctx:remaining()
	end)]], given)
m:call(m.hook_list[1].fn, {
	run = 9, server = 1, trigger = { name = "closed", count = 1, server = 1 }, mode = "graceful", phase = "pre_stop",
	deadline = m.now / S + 5, began = m.now / S - 2,
})
m:settle()
tap.same(given.seen, { "web", "closed", "web", "graceful", "pre_stop", 5.0 }, "ctx: servers are handles")
tap.is(given.elapsed, 3.0, "ctx.elapsed counts from the stop's beginning")
tap.is(given.remaining, 4.0, "ctx:remaining()")
tap.same(given.extended, { true }, "S4.6: ctx:extend()")
tap.same(m.extended, { { run = 9, ns = 10 * S } }, "… asks the core for this run")
tap.is(given.wrong, 'policy.lua:7: ctx:extend: expected a duration such as 0.25, "250ms", "5s" or "1m30s", got "soon"',
	"… in a unit that there is")
tap.is(given.moved, 10.0, "… and the hook's deadline is the new one")
tap.is(given.late, 0, "ctx:remaining() is never below 0")
m.refuse = true
m:call(function(ctx)
	given.refused = { ctx:extend(1) }
end, { run = 1, deadline = 0, began = 0 })
m:settle()
tap.same(given.refused, { nil, "past the margin", "EPERM" }, "S4.6: refused past the margin")

m = mock.new()
m:run [[curfew.server { name = "thing", start = print }]]
local seen
m:call(function(ctx)
	seen = { ctx.server.name, ctx.phase, ctx:remaining(), (ctx:extend(1)) }
	return "result"
end, { server = 1, phase = "start", deadline = 30.0 }, "kind_call")
m:settle()
tap.same(seen, { "thing", "start", 30.0 }, "the functions of curfew.server get a ctx too")
m:call(function(ctx)
	seen = ctx:remaining()
end, { server = 1, phase = "start" }, "kind_call")
m:settle()
tap.is(seen, math.huge, "… that may have no deadline")

tap.done()
