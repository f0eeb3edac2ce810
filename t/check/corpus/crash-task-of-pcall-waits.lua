local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		local ok, reply = pcall(function()
			local r = curfew.fetch("http://127.0.0.1:1/")
			return r.body
		end)
		return ok and reply or "failed"
	end,
} }
