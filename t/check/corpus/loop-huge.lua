local curfew = require "curfew"
curfew.spawn(function()
	for i = 1, math.huge do --> busy-loop
		curfew.log.debug(i)
	end
end)
