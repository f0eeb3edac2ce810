-- @TEST@: what @POLICY@ promises, in virtual time:  curfew test @TEST@
local sim = require "curfew.sim"

sim.test("it saves before it stops", function(t)
	local asked
	local run = t:load("@POLICY@", { exec = function(args)
		asked = table.concat(args, " ")
		return { code = 0, takes = "2s" }
	end })
	run:server("redis"):stops_in "1s"
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:like(asked or "", "^redis%-cli .* save$")
	t:order('redis pre_stop "save"', "redis stopping", "redis stopped")
end)

sim.test("a save that fails is told, and stops nothing else", function(t)
	local run = t:load("@POLICY@", { exec = { code = 1, stderr = "disk full" } })
	run:at("1s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 1)
	t:order('redis pre_stop failed "save"', "redis stopped")
	t:like(run:log(), "disk full")
end)
