local curfew = require "curfew"
local function walk(node)
	if not node then
		error "no node" --> server-crash
	end
	walk(node.next)
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function() walk(req) end)
	end,
} }
