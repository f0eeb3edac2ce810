local curfew = require "curfew"
local try = pcall
local function safely(f, ...)
	return xpcall(f, debug.traceback, ...)
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			try(function() error "caught" end)
			safely(function(x) error(x) end, "caught as well")
		end)
	end,
} }
