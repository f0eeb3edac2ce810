local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local v, message = curfew.timeout("1s", function()
				error "returned as a message"
			end)
			res:send(v or message)
		end)
	end,
} }
