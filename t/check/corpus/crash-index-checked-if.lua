local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local file = io.open("/etc/passwd")
			if file then
				res:send(file:read("a"))
			else
				res:send(500, "no")
			end
		end)
	end,
} }
