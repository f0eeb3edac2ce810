local curfew = require "curfew"
local web = curfew.http { listen = "127.0.0.1:0", handler = function(req, res)
	curfew.after(1, function()
		local n = tonumber(req.body)
		if n then res:send(n * 2) else error "not a number" end --> server-crash
	end)
end }
