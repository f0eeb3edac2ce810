-- life.lua: start, stop and end of the whole; settings.
local c = require "curfew.core"
local async = require "curfew.async"
local misuse = require "curfew.misuse"

local life = {}

-- Start all servers; returns when they are ready.
function life.start(callback)
	return async.request("curfew.start", "start", nil, nil, callback)
end

-- The same, as a script's last word, for `lua5.4 script.lua`; `curfew run script.lua` would start without it.
life.run = life.start

-- Stop all servers. The process ends after it, unless opts.exit is false.
function life.stop(opts, callback)
	if type(opts) == "function" then
		opts, callback = nil, opts
	end
	local stays = false
	if opts ~= nil then
		local schema = require "curfew.schema"
		local record = schema.record({ exit = schema.boolean }, { expected = "a table such as { exit = false }" })
		stays = record(opts, "curfew.stop").exit == false
	end
	return async.request("curfew.stop", "stop", nil, stays, callback)
end

-- Never returns: the exit trigger.
function life.exit(code)
	if code == nil or code == true then
		code = 0
	elseif code == false then
		code = 1
	end
	local n = type(code) == "number" and math.tointeger(code)
	if not n or n < 0 or n > 255 then
		misuse.expected("curfew.exit", "an exit code from 0 to 255", code)
	end
	return c.exit(n)
end

function life.deactivate(callback)
	return async.request("curfew.deactivate", "deactivate", nil, nil, callback)
end

function life.configure(conf)
	local settings = require "curfew.settings"(conf, "curfew.configure")
	local ok, message, code = misuse.result("curfew.configure", c.configure(settings))
	if ok and settings.health then
		require "curfew.hold"(settings.health)
	end
	return ok, message, code
end

life.now = c.now

return life
