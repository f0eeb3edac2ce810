-- sim.lua: tests of a policy in virtual time, as `curfew test` runs them.
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local test = require "curfew.sim.test"

local sim = {}
local tests = {}

-- Register a test. All of a file run one after another when the file has been read.
function sim.test(name, f)
	if type(name) ~= "string" or name == "" then
		misuse.expected("sim.test", "the name of the test", name)
	elseif type(f) ~= "function" then
		misuse.expected("sim.test", "a function that takes the test", f)
	end
	tests[#tests + 1] = { name = name, f = f, where = c.where(1) or "?" }
end

-- Register a check that holds after random runs: see explore.lua.
function sim.explore(name, path, check, opts)
	tests[#tests + 1] = require "curfew.sim.explore"(name, path, check, opts)
end

-- Register one schedule that `curfew test --explore` has printed: see schedule.lua.
function sim.schedule(name, path, items)
	tests[#tests + 1] = require "curfew.sim.schedule"(name, path, items)
end

-- Called by `curfew test` when the file has been read.
function sim.run_all()
	for _, one in ipairs(tests) do
		local ok, text
		if one.explore then
			ok, text = one.explore()
		else
			ok, text = test.run(one)
		end
		c.service("sim.result", { name = one.name, ok = ok, text = text })
	end
	c.service "sim.done"
end

return setmetatable(sim, {
	__index = function(_, key)
		misuse.raise("curfew.sim", "unknown name %s%s", misuse.show(key), misuse.suggest(key, { "test", "explore", "schedule" }))
	end,
})
