local curfew = require "curfew"
local function poll(n)
	if n > 10 then
		error "too often" --> server-crash
	end
	curfew.after(1, function() poll(n + 1) end)
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		poll(0)
		res:hold()
	end,
} }
