local curfew = require "curfew"
local function sum(list)
	local i, s = 1, 0
	while i <= #list do
		s = s + list[i]
		i = i + 1
	end
	while #list > 0 do
		table.remove(list)
	end
	return s
end
curfew.log.info(sum { 1, 2, 3 })
