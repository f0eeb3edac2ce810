local curfew = require "curfew"
local Store = {}
Store.__index = Store
function Store.new()
	return setmetatable({ items = {} }, Store)
end
function Store:put(key)
	if self.items[key] then
		error("twice: " .. key) --> server-crash
	end
	self.items[key] = true
end
local store = Store.new()
curfew.http { listen = "127.0.0.1:0", routes = {
	["PUT /:key"] = function(req, res)
		curfew.after(0, function()
			store:put(req.params.key)
			res:send(204)
		end)
	end,
} }
