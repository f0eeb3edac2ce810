local cqueues = require "cqueues"
local http_server = require "http.server"
local cq = cqueues.new()
local server = http_server.listen {
	host = "127.0.0.1", port = 0,
	onstream = function(srv, stream)
		cq:wrap(function()
			local body = stream:get_body_as_string()
			if not body then error "no body" end --> server-crash
		end)
		cq:wrap(function()
			pcall(error, "caught")
		end)
	end,
}
cq:wrap(function() error "not of a request" end)
assert(server:loop())
