local curfew = require "curfew"
curfew.spawn(function()
	local line = io.stdin:read "l" --> blocking-call
	for l in io.lines() do curfew.log.info(l) end --> blocking-call
	curfew.log.info(line)
end)
