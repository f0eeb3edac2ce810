local curfew = require "curfew"
local function check(name)
	if name == "" then
		error("no name") --> server-crash
	end
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:name"] = function(req, res)
		curfew.after("10ms", function()
			check(req.params.name)
			res:send "ok"
		end)
	end,
} }
