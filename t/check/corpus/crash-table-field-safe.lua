local curfew = require "curfew"
local actions = {
	fail = function() error "never called there" end,
	fine = function() return 1 end,
}
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			actions.fine()
		end)
	end,
} }
