local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /"] = function(req, res)
		curfew.after(0, function()
			local id = req.body:match "id=(%d+)"
			res:send(id:rep(2)) --> server-crash
		end)
	end,
} }
