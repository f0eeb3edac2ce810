local curfew = require "curfew"
local actions = {
	fail = function()
		error "in a table" --> server-crash
	end,
	fine = function() return 1 end,
}
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:action"] = function(req, res)
		curfew.after(0, function()
			actions[req.params.action]()
		end)
	end,
} }
