-- @TEST@: what @POLICY@ promises, in virtual time:  curfew test @TEST@
local sim = require "curfew.sim"

sim.test("TERM: three seconds for the balancer, then the application", function(t)
	local run = t:load "@POLICY@"
	run:server("app"):stops_in "5s"
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("SIGTERM", 'pre_stop "health.hold"', "app stopping", "app stopped", 'app post_stop "tell"')
	t:within("9s", run.ended_at - 10)
end)

sim.test("the application's own end is the container's", function(t)
	local run = t:load "@POLICY@"
	run:server("app"):dies_at("30s", { code = 7 })
	run:finish()
	t:equal(run.exit_code, 7)
end)

sim.test("done before Kubernetes kills, whatever the application does", function(t)
	local run = t:load "@POLICY@"
	run:server("app"):never_stops()
	run:at("10s", "SIGTERM")
	run:finish()
	t:within("28s", run.ended_at - 10)
end)
