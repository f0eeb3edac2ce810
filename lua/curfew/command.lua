-- command.lua: the policy of `curfew run -- COMMAND` (S2.15): one process, whose own end decides.
local curfew = require "curfew"

return function(argv, foreground)
	local command = curfew.process {
		name = "command",
		command = argv,
		stdin = "inherit",
		foreground = foreground,
		forward = true, -- the signal that asks for the stop is the one that the command gets
		decides = true, -- its exit code, or 128 and the signal, is the result
	}
	curfew.on("closed", function(t)
		if t.server and t.server.name == command.name then
			return curfew.graceful(t.signal and 128 + t.signal or t.code)
		end
	end)
	return command
end
