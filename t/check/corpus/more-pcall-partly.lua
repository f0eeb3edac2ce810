local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local ok, message = pcall(function() error "caught" end)
			assert(ok, message) --> server-crash
		end)
	end,
} }
