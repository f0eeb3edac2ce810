local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local file = io.open("/etc/passwd")
			res:send(file:read("a")) --> server-crash
		end)
	end,
} }
