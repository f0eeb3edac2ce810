-- examples/demo.lua: the store's moment to flush, the balancer's grace, and what a load generator sees.
local sim = require "curfew.sim"

local function load_demo(t)
	local run = t:load("../../examples/demo.lua", {
		fetch = function()
			return { body = "Hello\n", takes = "20ms" }
		end,
		exec = { code = 0 },
	})
	return run
end

sim.test("the web server goes first, then the store", function(t)
	local run = load_demo(t)
	run:server("store"):stops_in "400ms"
	run:at("5s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("SIGTERM", 'web pre_stop "let the balancer notice"', "web stopped", "web post_stop", "store stopping", "store stopped")
	t:within("750ms", run.ended_at - 5)
	t:like(run:log(), "requests served, 0 failed")
end)

sim.test("a store that does not hear TERM is killed after its two seconds", function(t)
	local run = load_demo(t)
	run:server("store"):never_stops()
	run:at("5s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:within("1ms", math.abs(run.ended_at - 5 - 0.3 - 2))
end)

sim.test("a store that dies ends it all", function(t)
	local run = load_demo(t)
	run:server("store"):dies_at("3s", 9)
	run:finish()
	t:equal(run.exit_code, 255)
	t:order("store closed", "closed", "abort", "web pre_stop")
	t:never "web stopped"
end)
