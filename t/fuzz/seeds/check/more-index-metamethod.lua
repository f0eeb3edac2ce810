local curfew = require "curfew"
local strict = setmetatable({}, { __index = function(t, key)
	error("no field " .. key) --> server-crash
end })
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function() res:send(strict.missing) end)
	end,
} }
