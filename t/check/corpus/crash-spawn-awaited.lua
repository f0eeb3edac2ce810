local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		local task = curfew.spawn(function()
			error "await returns it"
		end)
		local result, message = task:await()
		return result or message
	end,
} }
