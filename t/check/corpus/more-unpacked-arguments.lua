local curfew = require "curfew"
local function later(f, ...)
	local args = table.pack(...)
	curfew.after(1, function() f(table.unpack(args, 1, args.n)) end)
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		later(function(g) g() end, function() error "unpacked" end) --> server-crash
		later(pcall, function() error "caught" end)
	end,
} }
