local curfew = require "curfew"
local steps = {
	function() return 1 end,
	function() error "second" end, --> server-crash
}
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			for i = 1, #steps do steps[i]() end
		end)
	end,
} }
