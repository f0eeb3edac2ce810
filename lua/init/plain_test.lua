-- @TEST@: what @POLICY@ promises, in virtual time:  curfew test @TEST@
local sim = require "curfew.sim"

sim.test("the balancer has its time, then requests under way finish", function(t)
	local run = t:load "@POLICY@"
	run:server("web"):stops_in "3s"
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("SIGTERM", 'web pre_stop "let the balancer notice"', "web stopping", "web stopped", 'web post_stop "tell"')
	t:within("4s", run.ended_at - 1)
end)

sim.test("the second Ctrl-C means it", function(t)
	local run = t:load "@POLICY@"
	run:server("web"):never_stops()
	run:at("1s", "SIGINT"):at("2s", "SIGINT")
	run:finish()
	t:equal(run.exit_code, 130)
	t:within("1s", run.ended_at - 2)
end)

sim.test("whatever it does, it is over at the exit timeout", function(t)
	local run = t:load "@POLICY@"
	run:server("web"):never_stops()
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 255)
	t:within("10s", run.ended_at - 1)
end)
