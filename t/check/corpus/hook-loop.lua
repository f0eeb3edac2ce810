local curfew = require "curfew"
curfew.pre_stop(function()
	for i = 1, 10 do --
		curfew.sleep("1s") --> hook-too-long
	end
end)
