local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /save"] = function(req, res)
		local ok = pcall(function()
			curfew.fs.exists("/srv/data", function(yes)
				error "not caught by that pcall" --> server-crash
			end)
		end)
		return ok and "fine" or "bad"
	end,
} }
