local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local reply, message = curfew.fetch("http://127.0.0.1:1/")
			if message then
				return res:send(502, message)
			end
			res:send(reply.status, reply.body)
		end)
	end,
} }
