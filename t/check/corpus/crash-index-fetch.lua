local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local reply = curfew.fetch("http://127.0.0.1:1/")
			res:send(reply.status, reply.body) --> server-crash
		end)
	end,
} }
