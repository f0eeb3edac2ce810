-- curfew: what a policy script sees. A module is loaded when the first of its names is used.
local c = require "curfew.core"

local home = {
	servers = "http tcp process server find",
	hooks = "pre_stop post_stop",
	rules = "on trigger",
	decisions = "graceful abort kill reload restart ignore accept",
	steer = "hurry extend skip cancel",
	life = "configure start run stop exit deactivate now",
	tasks = "sleep after every spawn all race timeout wait subscribe",
	exec = "exec",
	fetch = "fetch",
	fs = "fs",
	log = "log",
	kept = "kept",
}

local module_of = {}
for name, members in pairs(home) do
	for member in string.gmatch(members, "%S+") do
		module_of[member] = "curfew." .. name
	end
end

-- How the core calls back into this layer. Tail calls: no line of this file stands between a script and its errors.
c.on_call(function(f, ctx)
	return require "curfew.hooks".call(f, ctx)
end)
c.on_kind_call(function(f, ctx)
	return require "curfew.hooks".call(f, ctx)
end)
c.on_trigger(function(t)
	return require "curfew.hooks".trigger(t)
end)
c.on_serve(function(kind, handler, x, server_id)
	return require "curfew.serve"(kind, handler, x, server_id)
end)

-- What the script finds in its globals. Our own modules have a table of globals of their own (libs.c).
local script = _G

script.os.execute = function(...)
	return require "curfew.shell".execute(...)
end
script.io.popen = function(...)
	return require "curfew.shell".popen(...)
end
script.require = require(c.sandboxed == true and "curfew.sandbox" or "curfew.require")

require "curfew.default"

return setmetatable({ version = c.version }, require "curfew.module"(module_of))
