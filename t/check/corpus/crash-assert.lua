local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.read("/etc/motd", function(data, message)
			assert(data, message) --> server-crash
			res:send(200, data)
		end)
	end,
} }
