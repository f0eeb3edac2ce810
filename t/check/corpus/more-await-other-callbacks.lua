local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		local t = curfew.spawn(function()
			curfew.after(1, function() error "not the task's" end) --> server-crash
		end)
		t:await()
	end,
} }
