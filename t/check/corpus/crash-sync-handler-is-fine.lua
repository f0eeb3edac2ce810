local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /save"] = function(req, res)
		if #req.body == 0 then
			error "empty"
		end
		assert(req.body ~= "x")
		return "ok\n"
	end,
} }
