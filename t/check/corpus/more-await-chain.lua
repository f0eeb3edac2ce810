local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		local v, message = curfew.spawn(function() error "returned" end):await()
		local t = curfew.spawn(function() error "returned too" end)
		curfew.all { t }
		return v or message
	end,
} }
