-- command.lua: the policy of `curfew run -- COMMAND` (S2.15): one process, whose own end decides.
local c = require "curfew.core"
local curfew = require "curfew"

-- Past the schema: forward and decides are for this module alone.
return function(argv, foreground)
	local id, message = c.server_new {
		kind = "process",
		name = "command",
		command = argv,
		stdin = "inherit",
		stdout = "inherit",
		stderr = "inherit",
		foreground = foreground,
		forward = true, -- the signal that asks for the stop is the one that the command gets
		decides = true, -- its exit code, or 128 and the signal, is the result
	}
	if not id then
		error(message, 0)
	end
	curfew.on("closed", function(t)
		if t.server and t.server.name == "command" then
			return curfew.graceful(t.code)
		end
	end)
end
