local curfew = require "curfew"
local function each(list)
	local i = 0
	return function()
		i = i + 1
		if i > 100 then error "too many" end --> server-crash
		return list[i]
	end
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			for item in each { 1, 2, 3 } do res:write(item) end
			res:finish()
		end)
	end,
} }
