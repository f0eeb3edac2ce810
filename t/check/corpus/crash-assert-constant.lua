local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			assert(true)
			assert(1, "never")
			assert({}, "never")
			res:send("ok")
		end)
	end,
} }
