local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			xpcall(function() error "caught" end, debug.traceback)
			xpcall(function() error "caught too" end, function(m) error(m) end)
		end)
	end,
} }
