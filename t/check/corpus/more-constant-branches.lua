local curfew = require "curfew"
local DEBUG = false
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			if DEBUG then error "never" end
			if false then error "never" end
			if true then return end
			error "never"
		end)
	end,
} }
