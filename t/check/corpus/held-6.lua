local curfew = require "curfew"
local cache
local function get()
	if not cache then cache = { n = 0 } end
	return cache
end
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function() local c = get() c.n = c.n + 1 res:send(tostring(c.n)) end)
	end } }
