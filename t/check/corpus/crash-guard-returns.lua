local curfew = require "curfew"
local function load_user(id)
	local data, message = curfew.fs.read("/users/" .. id)
	if not data then
		return nil, message
	end
	return { data = data }
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /:id"] = function(req, res)
		curfew.spawn(function()
			local user, message = load_user(req.params.id)
			if message then
				res:send(404, message)
				return
			end
			res:send(user.data)
		end)
	end,
} }
