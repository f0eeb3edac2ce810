local curfew = require "curfew"
local handlers = {}
local function add(f) table.insert(handlers, f) end
add(function() error "one of many" end) --> server-crash
add(function() return 1 end)
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			for _, f in ipairs(handlers) do
				f()
			end
		end)
	end,
} }
