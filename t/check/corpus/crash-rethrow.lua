local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local ok, message = pcall(error, "x")
			if not ok then
				error(message, 0) --> server-crash
			end
		end)
	end,
} }
