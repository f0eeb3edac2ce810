local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local step = coroutine.wrap(function()
				error "wrap passes it on" --> server-crash
			end)
			step()
		end)
	end,
} }
