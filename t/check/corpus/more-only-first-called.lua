local curfew = require "curfew"
local steps = {
	function() return 1 end,
	function() error "never called" end,
}
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function() steps[1]() end)
	end,
} }
