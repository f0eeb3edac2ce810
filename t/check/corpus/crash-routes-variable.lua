local curfew = require "curfew"
local routes = {}
routes["GET /"] = function(req, res)
	curfew.after(1, function() error "x" end) --> server-crash
end
curfew.http { listen = "127.0.0.1:0", routes = routes }
routes["GET /late"] = function(req, res)
	curfew.after(1, function() error "y" end) --> server-crash
end
