local curfew = require "curfew"
local routes = {}
for _, name in ipairs { "a", "b" } do
	routes["GET /" .. name] = function(req, res)
		curfew.after(1, function()
			error(name) --> server-crash
		end)
	end
end
curfew.http { listen = "127.0.0.1:0", routes = routes }
