local curfew = require "curfew"
curfew.pre_stop(function()
	repeat --> busy-loop
		local x = math.random()
	until false
end)
