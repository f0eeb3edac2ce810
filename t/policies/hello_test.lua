-- examples/hello.lua and examples/two-servers.lua: servers inside of curfew.
local sim = require "curfew.sim"

sim.test("hello: a quarter of a second for the balancer", function(t)
	local run = t:load "../../examples/hello.lua"
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:equal(run.ended_at, 1.25)
	t:like(run:log(), "listening at 127.0.0.1:8080")
	t:like(run:log(), "stopping because of SIGTERM")
end)

sim.test("two-servers: the admin server goes last", function(t)
	local run = t:load("../../examples/two-servers.lua", { env = { PUBLIC_LISTEN = "127.0.0.1:0" } })
	run:server("public"):stops_in "2s"
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("pre_stop", "public pre_stop", "public stopped", "public post_stop", "admin pre_stop", "admin stopped",
		"admin post_stop", "post_stop")
	t:like(run:log(), "admin: pre_stop: public is down")
end)

sim.test("two-servers: requests under way are cut when the drain is over", function(t)
	local run = t:load "../../examples/two-servers.lua"
	run:server("public"):never_stops()
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.ended_at, 1 + 0.25 + 5)
end)

for _, name in ipairs { "save-unsafe", "save-pcall", "save-waiting" } do
	sim.test(name .. ": starts by itself and stops", function(t)
		local run = t:load("../../examples/" .. name .. ".lua", { fs = {} })
		run:at("1s", "SIGINT")
		run:finish()
		t:equal(run.exit_code, 0)
		t:order("web started", "SIGINT", "web pre_stop", "web stopped")
		t:like(run:log(), "web: about to stop")
	end)
end
