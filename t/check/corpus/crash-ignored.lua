local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			error "meant" -- curfew: ignore server-crash
		end)
		curfew.after(1, function()
			-- curfew: ignore server-crash
			error "meant too"
		end)
		curfew.after(1, function()
			error "the comment names another rule" -- curfew: ignore busy-loop --> server-crash
		end)
	end,
} }
