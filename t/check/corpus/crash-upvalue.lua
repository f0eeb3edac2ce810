local curfew = require "curfew"
local fail
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			fail()
		end)
	end,
} }
function fail()
	error "assigned after the handler was defined" --> server-crash
end
