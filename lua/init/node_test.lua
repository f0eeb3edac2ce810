-- @TEST@: what @POLICY@ promises, in virtual time:  curfew test @TEST@
local sim = require "curfew.sim"

sim.test("TERM: the balancer first, then the application closes", function(t)
	local run = t:load "@POLICY@"
	run:server("app"):stops_in "4s"
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("SIGTERM", 'pre_stop "health.hold"', "app stopping", "app stopped")
end)

sim.test("an application that never closes is killed, in time", function(t)
	local run = t:load "@POLICY@"
	run:server("app"):never_stops()
	run:at("10s", "SIGTERM")
	run:finish()
	t:within("28s", run.ended_at - 10)
end)

sim.test("one that crashes is started again", function(t)
	local run = t:load "@POLICY@"
	run:server("app"):dies_at("20s", { code = 1 })
	run:at("60s", "SIGTERM")
	run:finish()
	t:order("app closed", "app restarting", "app started", "SIGTERM", "app stopped")
end)
