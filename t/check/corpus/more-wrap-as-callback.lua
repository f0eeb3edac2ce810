local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, coroutine.wrap(function()
			error "x" --> server-crash
		end))
	end,
} }
