local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		local results, message = curfew.all {
			function() error "the first failure is returned" end,
			function() return 1 end,
		}
		return results and "ok" or message
	end,
} }
