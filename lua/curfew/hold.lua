-- hold.lua: health.hold: from the first stopping trigger on /readyz answers 503, and everything is served until whoever asks
-- has seen that: so many times (health.probes), or for so long.
local c = require "curfew.core"
local hooks = require "curfew.hooks"

local hold -- { ns =, probes = } as configured last; nil: none
local registered = false

local function until_noticed(tasks)
	for _ = 1, hold.probes do
		tasks.wait "unready"
	end
end

-- How long, in seconds: what is to stop after it needs time as well.
local function length(ctx)
	local seconds, left = hold.ns / 1e9, ctx:remaining()
	if seconds < left * 3 / 4 then -- the margin is a quarter at most
		return seconds
	end
	local text = "health.hold, %gs, leaves a stop too little of its %.3gs: it is kept for half of that"
	c.log("warn", string.format(text, seconds, left))
	return left / 2
end

local function wait(ctx)
	if not hold or ctx.mode == "abort" then
		return
	end
	local tasks = require "curfew.tasks"
	local seconds = length(ctx)
	tasks.race {
		function() tasks.sleep(seconds) end,
		function() tasks.wait "aborting" end, -- S4.5: nothing but hooks is waited for
		hold.probes and function() until_noticed(tasks) end or nil,
	}
end

return function(health)
	hold = health.hold and health.hold > 0 and { ns = health.hold, probes = health.probes } or nil
	if hold and not registered then
		registered = true
		hooks.pre_stop(wait, { name = "health.hold" })
	end
end
