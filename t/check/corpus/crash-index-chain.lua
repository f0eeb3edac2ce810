local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /"] = function(req, res)
		curfew.after(0, function()
			res:send(req.body:match("id=(%w+)"):upper()) --> server-crash
		end)
	end,
} }
