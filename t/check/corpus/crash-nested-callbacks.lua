local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.exists("/a", function(a)
			curfew.fs.exists("/b", function(b)
				error "only here" --> server-crash
			end)
		end)
	end,
} }
