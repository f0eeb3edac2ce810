local curfew = require "curfew"
curfew.spawn(function()
	local n = 0
	while true do
		n = n + 1
		if n > 10 then break end
	end
	repeat
		n = n - 1
		if n == 0 then return end
	until false
end)
