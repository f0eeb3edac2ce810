local curfew = require "curfew"
local function maker()
	return function() error "made" end --> server-crash
end
local made = maker()
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function() made() end)
	end,
} }
