local curfew = require "curfew"
local function thrower(message)
	return function()
		error(message) --> server-crash
	end
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, thrower "later")
	end,
} }
