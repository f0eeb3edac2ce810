local curfew = require "curfew"
local log = curfew.log
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local ok, err = xpcall(function()
				local f = io.open("x")
				f:read("a")
			end, function(e) log.error(e) return e end)
			if not ok then res:send(500, err) end
		end)
	end } }
