local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		local timer
		timer = curfew.every("1s", function()
			if not res:alive() then
				timer:cancel()
				error "gone" --> server-crash
			end
		end)
		res:hold()
	end,
} }
