local curfew = require "curfew"
local function ok() return true end
local function bad() error "bad" end --> server-crash
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:x"] = function(req, res)
		curfew.after(1, function()
			local f = req.params.x == "1" and ok or bad
			f()
		end)
	end,
} }
