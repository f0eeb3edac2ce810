-- hold.lua: health.hold: from the first stopping trigger on /readyz answers 503, and everything is served until whoever asks
-- has seen that: so many times (health.probes), or for so long.
local hooks = require "curfew.hooks"

local hold -- { ns =, probes = } as configured last; nil: none
local registered = false

local function until_noticed(tasks)
	for _ = 1, hold.probes do
		tasks.wait "unready"
	end
end

local function wait(ctx)
	if not hold or ctx.mode == "abort" then
		return
	end
	local tasks = require "curfew.tasks"
	local function sleep()
		tasks.sleep(hold.ns / 1e9)
	end
	if hold.probes then
		tasks.race { sleep, function() until_noticed(tasks) end }
	else
		sleep()
	end
end

return function(health)
	hold = health.hold and health.hold > 0 and { ns = health.hold, probes = health.probes } or nil
	if hold and not registered then
		registered = true
		hooks.pre_stop(wait, { name = "health.hold" })
	end
end
