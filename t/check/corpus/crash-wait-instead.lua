local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /save"] = function(req, res)
		local ok = pcall(function()
			curfew.sleep("10ms")
			local yes = curfew.fs.exists("/srv/data")
			if not yes then
				error "no such directory"
			end
		end)
		return ok and 200 or 500, "done\n"
	end,
} }
