-- inside.lua: a policy's own side of a simulation: its time and its environment are the test's, and nothing real is written.
local c = require "curfew.core"

local os, io = _G.os, _G.io -- the script's: our own globals are copies

return function()
	local setup = c.service "sim.setup" -- it waits, which the main chunk of a module of ours cannot
	local env = setup.env or {}
	local began = setup.zero -- of the run: a policy that was reloaded begins later
	local getenv, date, time = os.getenv, os.date, os.time

	os.getenv = function(name)
		local value = env[name]
		if value == nil and setup.real_env then
			return getenv(name)
		end
		return value or nil
	end

	-- A Monday, unless the test says otherwise.
	local function now()
		return (setup.epoch or 946857600) + math.floor(c.now() - began)
	end

	os.time = function(t)
		return t and time(t) or now()
	end

	os.date = function(format, at)
		return date(format or "%c", at or now())
	end

	os.clock = function()
		return c.now() - began
	end

	local function refuse(what)
		return function(path)
			local why = "%s: %s in a simulation: no real file is changed; curfew.fs is what a test can answer"
			return nil, string.format(why, path, what), 30
		end
	end

	local open, output = io.open, io.output

	io.open = function(path, mode)
		if mode and string.find(tostring(mode), "[wa+]") then
			return refuse "io.open for writing"(path)
		end
		return open(path, mode)
	end

	io.output = function(file)
		if type(file) == "string" then
			error((select(2, refuse "io.output"(file))), 2)
		end
		return output(file)
	end

	os.remove = refuse "os.remove"
	os.rename = refuse "os.rename"
	os.tmpname = function()
		error("os.tmpname in a simulation: no real file is made", 2)
	end
end
