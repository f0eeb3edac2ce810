local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local limit <const> = 10
			local guard <close> = setmetatable({}, { __close = function() end })
			if #req.body > limit then
				error("too long" .. tostring(guard)) --> server-crash
			end
		end)
	end,
} }
