local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local file, message = io.open("/etc/passwd")
			if not file then
				return res:send(500, message)
			end
			res:send(file:read("a"))
			file:close()
		end)
	end,
} }
