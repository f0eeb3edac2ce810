local curfew = require "curfew"
local f = setmetatable({}, { __call = function(self, x)
	error(x) --> server-crash
end })
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function() f "x" end)
	end,
} }
