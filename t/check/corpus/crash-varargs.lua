local curfew = require "curfew"
local function call(f, ...)
	return f(...)
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			call(function(g) g() end, function() error "handed on" end) --> server-crash
		end)
		curfew.after(1, function()
			call(pcall, function() error "caught" end)
		end)
	end,
} }
