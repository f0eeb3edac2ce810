-- examples/container.lua: PID 1 of a container.
local sim = require "curfew.sim"

local function load_it(t, env)
	return t:load("../../examples/container.lua", { env = env })
end

sim.test("TERM: two seconds for the balancer, then the application", function(t)
	local run = load_it(t)
	run:server("app"):stops_in "3s"
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("SIGTERM", 'app pre_stop "hold for the balancer"', "app stopping", "app stopped", "app post_stop")
	t:equal(run.ended_at, 15)
end)

sim.test("the second Ctrl-C means it", function(t)
	local run = load_it(t)
	run:server("app"):never_stops()
	run:at("10s", "SIGINT"):at("11s", "SIGINT")
	run:finish()
	t:equal(run.exit_code, 130)
	t:within("2s", run.ended_at - 11)
end)

sim.test("the application's own end is the container's", function(t)
	local run = load_it(t)
	run:server("app"):dies_at("30s", { code = 7 })
	run:finish()
	t:equal(run.exit_code, 7)
	t:within("1s", run.ended_at - 30)

	run = load_it(t)
	run:server("app"):dies_at("30s", "SEGV")
	run:finish()
	t:equal(run.exit_code, 139)
end)

sim.test("done before Kubernetes kills, whatever the application does", function(t)
	local run = load_it(t, { APP_GRACE = "1h" })
	run:server("app"):never_stops()
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 255)
	t:within("28s", run.ended_at - 1)
end)
