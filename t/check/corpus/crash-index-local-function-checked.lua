local curfew = require "curfew"
local users = {}
local function find(name)
	if not users[name] then
		return nil, "no such user"
	end
	return users[name]
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:name"] = function(req, res)
		curfew.after(0, function()
			local user, message = find(req.params.name)
			if not user then return res:send(404, message) end
			res:send(user.mail)
		end)
	end,
} }
