-- @TEST@: what @POLICY@ promises, in virtual time:  curfew test @TEST@
local sim = require "curfew.sim"

sim.test("the balancer has its time, then nginx finishes", function(t)
	local run = t:load "@POLICY@"
	run:server("nginx"):stops_in "10s"
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("SIGTERM", 'nginx pre_stop "let the balancer notice"', "nginx stopping", "nginx stopped")
	t:within("12.5s", run.ended_at - 1)
end)

sim.test("HUP reloads nginx and stops nothing", function(t)
	local asked
	local run = t:load("@POLICY@", { exec = function(args)
		asked = table.concat(args, " ")
		return { code = 0 }
	end })
	run:at("1s", "SIGHUP"):at("5s", "SIGTERM")
	run:finish()
	t:like(asked or "", "^nginx .* %-s reload$")
	t:never "abort"
	t:equal(run.exit_code, 0)
end)

sim.test("an nginx that dies is started again", function(t)
	local run = t:load "@POLICY@"
	run:server("nginx"):dies_at("5s", { code = 1 })
	run:at("20s", "SIGTERM")
	run:finish()
	t:order("nginx closed", "nginx restarting", "nginx started", "SIGTERM", "nginx stopped")
end)
