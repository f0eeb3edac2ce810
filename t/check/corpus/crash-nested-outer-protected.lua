local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.exists("/a", function(a)
			pcall(function()
				curfew.fs.exists("/b", function(b)
					error "only here" --> server-crash
				end)
				error "caught"
			end)
		end)
	end,
} }
