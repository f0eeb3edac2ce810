local curfew = require "curfew"
-- Globals that nobody defines, named like parts of the analysis.
wait(1)
serve(function() error "unknown" end)
local x = wait(2) or later()
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			res:send(tostring(wait(x)))
		end)
	end,
} }
