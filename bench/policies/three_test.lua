local sim = require "curfew.sim"

sim.test("100,000 seconds, then a stop", function(t)
	local run = t:load "three.lua"
	run:server("cache"):dies_at("50000s", 9)
	run:at("100000s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:like(run:log(), "99999 ticks")
	t:order("cache closed", "closed restart", "cache started", "SIGTERM", "web stopped", "cache stopped", "db stopped")
end)
