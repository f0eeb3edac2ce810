local curfew = require "curfew"
curfew.after("1s", function()
	error "in the main script: no request"
end)
curfew.pre_stop(function()
	curfew.after("1s", function() error "in a hook" end)
end)
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function() return "ok" end,
} }
