local curfew = require "curfew"
local M = {}
local handlers = { on_data = nil }
function M.register(name, f) handlers[name] = f end
M.register("on_data", function(d) assert(d.id) end) --> server-crash
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.read("x", function(data)
			local h = handlers["on_data"]
			if h then h(data) end
		end)
	end } }
