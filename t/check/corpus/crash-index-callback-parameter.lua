local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fetch("http://127.0.0.1:1/", function(reply)
			res:send(reply.status) --> server-crash
		end)
	end,
} }
