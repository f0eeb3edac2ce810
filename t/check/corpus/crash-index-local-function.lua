local curfew = require "curfew"
local users = {}
local function find(name)
	for _, user in ipairs(users) do
		if user.name == name then
			return user
		end
	end
	return nil
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:name"] = function(req, res)
		curfew.after(0, function()
			local user = find(req.params.name)
			res:send(user.mail) --> server-crash
		end)
	end,
} }
