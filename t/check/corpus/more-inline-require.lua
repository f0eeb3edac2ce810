local curfew = require "curfew"
require "curfew".http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		require("curfew").after(1, function() error "x" end) --> server-crash
	end,
} }
