local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.subscribe("changed", function(what)
			assert(type(what) == "table") --> server-crash
		end)
	end,
} }
