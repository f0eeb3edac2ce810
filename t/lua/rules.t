#!/usr/bin/env lua5.4
-- Rules, the default policy of S2, decisions, and what goes straight to the core.
local tap = dofile "t/lib/tap.lua"
local mock = dofile "t/lua/mock.lua"

local m = mock.new()

local function asked(trigger)
	local what, code = m:ask(trigger)
	return what and (code and ("%s(%d)"):format(what, code) or what) or "nothing"
end

-- ---- the default policy, row by row

for _, row in ipairs {
	{ "S2.1", { name = "SIGINT" }, "graceful(0)" },
	{ "S2.1", { name = "SIGTERM" }, "graceful(0)" },
	{ "S2.1", { name = "SIGQUIT" }, "graceful(0)" },
	{ "S2.2", { name = "SIGHUP" }, "abort(1)" },
	{ "S2.3", { name = "exit", code = 0 }, "graceful(0)" },
	{ "S2.4", { name = "exit", code = 1 }, "abort(1)" },
	{ "S2.4", { name = "exit", code = 255 }, "abort(255)" },
	{ "S2.5", { name = "error" }, "abort(1)" },
	{ "S2.6", { name = "rejection" }, "abort(1)" },
	{ "S2.7", { name = "closed" }, "abort(255)" },
	{ "S2.8", { name = "idle" }, "graceful(0)" },
	{ "S2.9", { name = "stop" }, "graceful(0)" },
	{ "S2.10", { name = "crash" }, "abort(1)" },
	{ "S2.16", { name = "start_failed" }, "graceful(1)" },
	{ "S2.17", { name = "stall" }, "abort(255)" },
	{ "curfew abort", { name = "abort" }, "abort(1)" },
	{ "curfew reload", { name = "reload" }, "reload" },
	{ "no rule", { name = "SIGUSR1" }, "nothing" },
} do
	tap.is(asked(row[2]), row[3], ("%s: %s%s"):format(row[1], row[2].name, row[2].code and " " .. row[2].code or ""))
end
for _, r in ipairs(m.rules) do
	if r.level ~= "default" then
		tap.ok(false, r.name .. " is a rule of no script")
	end
end

-- ---- a script's own

m = mock.new()
m:run [[
	curfew.on("SIGHUP", curfew.reload)
	curfew.on("SIGTERM", curfew.graceful(3))
	curfew.on({ "SIGINT", "QUIT" }, function(t) if t.count > 1 then return curfew.abort(130) end end)
	curfew.on("usr1", curfew.ignore)
	curfew.server { name = "db" }
	curfew.on("closed", function(t) if t.server.name == "db" then return curfew.restart end end)
	curfew.on("stop", curfew.kill)
]]
tap.is(asked { name = "SIGHUP" }, "reload", "a decision as it is")
tap.is(asked { name = "SIGTERM" }, "graceful(3)", "a decision with a code")
tap.is(asked { name = "SIGINT", count = 1 }, "graceful(0)", "S2.11: nil falls to the default")
tap.is(asked { name = "SIGINT", count = 2 }, "abort(130)", "S2.13: the second aborts")
tap.is(asked { name = "SIGQUIT", count = 2 }, "abort(130)", "one rule for several triggers; SIG may be left out")
tap.is(asked { name = "SIGUSR1" }, "ignore", "and letters may be small")
m:run [[curfew.on("custom:deploy", curfew.ignore)]]
tap.is(m.rules[1].name, "custom:deploy", "a trigger of the script's own")
tap.is(asked { name = "closed", server = 1 }, "restart", "the trigger's server is its handle")
tap.is(asked { name = "stop" }, "kill(1)", "kill has a code too")
m:run [[curfew.on("SIGTERM", curfew.abort)]]
tap.is(asked { name = "SIGTERM" }, "abort(1)", "S2.11: the newest is asked first")
m:run [[curfew.on("*", function(t) if t.name == "SIGUSR2" then return curfew.graceful(9) end end)]]
tap.is(asked { name = "SIGUSR2" }, "graceful(9)", 'S2.11: "*" is asked for what has no rule')
tap.is(asked { name = "idle" }, "graceful(0)", 'S2.11: and the default after "*"')

-- ---- straight to the core

m = mock.new()
m:run [[
	curfew.configure {
		exit_timeout = "5s", max_exit_timeout = "1m", start_timeout = 30, stall_limit = "10s", stop_margin = "500ms", strict = true,
		memory_limit = "64MB", hook_cpu_limit = "100ms", load_limit = "5s", control = "/run/curfew.sock",
		health = { listen = "127.0.0.1:9090" }, watch = false, log = { level = "info", format = "json" },
	}
	curfew.trigger("custom:deploy")
	curfew.trigger("custom:deploy", 3)
	curfew.trigger("term") ]]
tap.same(m.configured, { {
	exit_timeout = 5000000000, max_exit_timeout = 60000000000, start_timeout = 30000000000, stall_limit = 10000000000,
	stop_margin = 500000000, strict = true, memory_limit = 67108864, hook_cpu_limit = 100000000, load_limit = 5000000000,
	control = "/run/curfew.sock", health = { listen = { "127.0.0.1:9090" } }, watch = false,
	log = { level = "info", format = "json" },
} }, "configure: nanoseconds and bytes")
tap.same(m.triggers, { { name = "custom:deploy" }, { name = "custom:deploy", code = 3 }, { name = "SIGTERM" } }, "curfew.trigger")

m.life = "starting"
tap.same({ m:run [[local curfew = require "curfew" return curfew.state, curfew.start(), curfew.stop(),
	curfew.stop { exit = false }, curfew.stop { exit = true }, curfew.deactivate() ]] },
	{ "starting", true, true, true, true, true }, "state, start, stop, deactivate")
tap.same(m.requests, {
	{ what = "start" }, { what = "stop", flag = false }, { what = "stop", flag = true }, { what = "stop", flag = false },
	{ what = "deactivate" },
}, "S3.4: the flag of stop: the process stays")
tap.same({ m:run [[
	local seen = {}
	curfew.start(function(ok) seen[1] = ok end)
	curfew.stop(function(ok) seen[2] = ok end)
	curfew.stop({ exit = false }, function(ok) seen[3] = ok end)
	local before = #seen
	curfew.sleep(1)
	return before, table.unpack(seen) ]] }, { 0, true, true, true }, "with callbacks they return at once")
m.on_request = function()
	return nil, "db: exec: no such file", "ENOENT"
end
tap.same({ m:run "return curfew.start()" }, { nil, "db: exec: no such file", "ENOENT" }, "S3.2: what start fails with")

for code, want in pairs { ["0"] = 0, ["255"] = 255, ["3.0"] = 3, ["true"] = 0, ["false"] = 1, [""] = 0 } do
	m = mock.new()
	tap.is(select(2, m:run(("curfew.exit(%s) return 1"):format(code))), "it never ended", "curfew.exit never returns")
	tap.is(m.exited, want, ("curfew.exit(%s)"):format(code))
end

m = mock.new()
m:run [[
	curfew.log.info("web is gone after", 1.5, nil, true)
	curfew.log.error(setmetatable({}, { __tostring = function() error "no" end }))
	curfew.log.debug() curfew.log.warn("x") ]]
tap.same(m.logged, { "info web is gone after 1.5 nil true", "error (table without a text)", "debug ", "warn x" },
	"log: joined by spaces, and no value makes it fail")
tap.same({ m:run [[return curfew.__pairs, curfew.now() == require("curfew.core").now()]] }, { nil, true }, "curfew.now()")

tap.done()
