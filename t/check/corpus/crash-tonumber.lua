local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:n"] = function(req, res)
		curfew.after(1, function()
			local n = tonumber(req.params.n)
			res:send(("x"):rep(n + 1)) --> server-crash
		end)
		curfew.after(1, function()
			local n = tonumber(req.params.n) or 0
			res:send(("x"):rep(n + 1))
		end)
	end,
} }
