-- default.lua: the default policy (S2), asked when no rule of the script has an answer.
local c = require "curfew.core"
local d = require "curfew.decisions"

local rules = {
	SIGINT = d.graceful,
	SIGTERM = d.graceful,
	SIGQUIT = d.graceful,
	SIGHUP = d.abort,
	exit = function(t)
		return t.code == 0 and d.graceful or d.abort(t.code)
	end,
	error = d.abort,
	rejection = d.abort,
	closed = d.abort(255),
	idle = d.graceful,
	stop = d.graceful,
	abort = d.abort,
	reload = d.reload,
	crash = function(t)
		return d.abort(math.max(t.code or 1, 1)) -- 128 and the signal, or what it exited with: but never well
	end,
	start_failed = d.graceful(1),
	stall = d.abort(255),
	hurry = d.accept,
	extend = d.accept,
	skip = d.accept,
	cancel = d.accept,
	start_server = d.accept,
	stop_server = d.accept,
	restart_server = d.accept,
}

for name, rule in pairs(rules) do
	assert(c.rule(name, rule, "default"))
end

return rules
