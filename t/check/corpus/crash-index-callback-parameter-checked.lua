local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fetch("http://127.0.0.1:1/", function(reply, message)
			res:send(reply and reply.status or 502, message)
		end)
		curfew.exec({ "date" }, function(result, message)
			if message then return res:send(500, message) end
			res:send(result.stdout)
		end)
	end,
} }
