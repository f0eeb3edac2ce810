-- serve.lua: a conversation that a server hands to the script's function.
local servers = require "curfew.servers"

local BODY = { http = "curfew.web", tcp = "curfew.conn" }
local bodies = {} -- of the kinds that were asked for

return function(kind, handler, x, server_id)
	local body = bodies[kind]
	if not body then
		body = require(BODY[kind])
		bodies[kind] = body
	end
	return body(handler, x, servers.handle(server_id))
end
