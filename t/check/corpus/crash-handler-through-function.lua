local curfew = require "curfew"
local function app(f)
	return function(req, res)
		return f(req, res)
	end
end
local function show(req, res)
	curfew.after(1, function() error "x" end) --> server-crash
end
curfew.http { listen = "127.0.0.1:0", routes = { ["GET /"] = app(show) } }
