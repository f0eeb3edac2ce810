-- examples/haproxy.lua: the real one is in t/hosts.
local sim = require "curfew.sim"

sim.test("SIGUSR1, and the grace that haproxy takes", function(t)
	local run = t:load "../../examples/haproxy.lua"
	run:server("haproxy"):stops_in "3s"
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("SIGTERM", "haproxy pre_stop", "haproxy stopping", "haproxy stopped", "haproxy post_stop")
	t:equal(run.ended_at, 13)
end)

sim.test("one that hangs is killed before the exit timeout", function(t)
	local run = t:load "../../examples/haproxy.lua"
	run:server("haproxy"):never_stops()
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.ended_at, 18)
end)
