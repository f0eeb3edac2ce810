local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			if req.body == "" then return error({ code = 400 }, 2) end --> server-crash
			error() --> server-crash
		end)
	end,
} }
