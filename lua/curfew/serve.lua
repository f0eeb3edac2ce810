-- serve.lua: a conversation that a server hands to the script's function.
local BODY = { http = "curfew.web", tcp = "curfew.conn" }

return function(kind, handler, x, server_id)
	return require(BODY[kind])(handler, x, require "curfew.servers".handle(server_id))
end
