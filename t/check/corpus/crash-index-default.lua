local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local text = (os.getenv "GREETING" or "hello"):upper()
			local match = ("abc"):match "b" or ""
			res:send(text .. match:rep(2))
		end)
	end,
} }
