local curfew = require "curfew"
local function leave()
	curfew.exit(0) --> pre-stop-exit-0
end
curfew.pre_stop(function(ctx)
	if ctx:remaining() < 1 then leave() end
end)
