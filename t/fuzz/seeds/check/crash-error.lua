local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /save"] = function(req, res)
		curfew.fs.exists("/srv/data", function(yes)
			if not yes then
				error "no such directory" --> server-crash
			end
			res:send(200, "saved\n")
		end)
	end,
} }
