local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local t = { 3, 1, 2 }
			table.sort(t, function(a, b)
				if a == b then error "equal" end --> server-crash
				return a < b
			end)
		end)
	end,
} }
