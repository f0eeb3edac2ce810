local curfew = require "curfew"
local queue = {}
local function work()
	local job = table.remove(queue, 1)
	if job then job() end
end
curfew.every(1, work)
curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /"] = function(req, res)
		queue[#queue + 1] = function() return 1 end
		curfew.after(1, work)
	end,
	["PUT /"] = function(req, res)
		queue[#queue + 1] = function() error "queued" end --> server-crash
	end,
} }
