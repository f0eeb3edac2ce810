local curfew = require "curfew"
local function check(name)
	if name == "" then
		error("no name")
	end
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:name"] = function(req, res)
		check(req.params.name)
		curfew.after("10ms", function() res:send "ok" end)
	end,
} }
