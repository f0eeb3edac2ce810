local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after("1s", function()
			pcall(function()
				curfew.sleep("1s")
				error "caught: the coroutine waits inside the pcall"
			end)
			curfew.sleep("1s")
			error "not caught" --> server-crash
		end)
	end,
} }
