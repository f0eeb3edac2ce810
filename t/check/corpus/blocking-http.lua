local curfew = require "curfew"
local http = require "socket.http"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		return (http.request "http://example.org/") --> blocking-call
	end,
} }
