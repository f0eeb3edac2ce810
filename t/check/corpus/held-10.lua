local curfew = require "curfew"
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local m = req.path:match("^/(%d+)$")
			if m == nil or #m == 0 then return res:send(400) end
			res:send(m:rep(2))
			local a, b = req.path:match("(%d+)-(%d+)")
			if a then res:send(a .. b) end
			local s = req.path:find("x")
			res:send(req.path:sub(s + 1)) --> server-crash
		end)
	end } }
