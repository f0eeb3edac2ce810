local curfew = require "curfew"
local function error(message) curfew.log.error(message) end
local function assert(v) return v end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			error "only logged"
			assert(false)
		end)
	end,
} }
