local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /save"] = function(req, res)
		curfew.fs.exists("/srv/data", function(yes)
			local ok, message = pcall(function()
				if not yes then
					error "no such directory"
				end
			end)
			res:send(ok and 200 or 500, message or "saved\n")
		end)
	end,
} }
