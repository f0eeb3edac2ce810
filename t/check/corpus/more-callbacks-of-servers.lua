local curfew = require "curfew"
local web = curfew.http { listen = "127.0.0.1:0", routes = {
	["POST /stop"] = function(req, res)
		curfew.stop(function() error "x" end) --> server-crash
		curfew.find("db"):restart(function() error "y" end) --> server-crash
		curfew.sleep(1, function() error "z" end) --> server-crash
	end,
} }
web:stop(function() error "not of a request" end)
