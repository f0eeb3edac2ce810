local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fetch("http://127.0.0.1:1/", { method = "GET" }, function(reply)
			if reply then res:send(reply.body) else error "down" end --> server-crash
		end)
	end,
} }
