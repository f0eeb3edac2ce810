local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			res:send(curfew.find("db").state) --> server-crash
		end)
	end,
} }
