local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		pcall(curfew.after, 1, function()
			error "later" --> server-crash
		end)
	end,
} }
