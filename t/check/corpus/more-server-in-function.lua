local curfew = require "curfew"
local function serve(listen, f)
	return curfew.http { listen = listen, routes = { ["GET /"] = f } }
end
serve("127.0.0.1:0", function(req, res)
	curfew.after(1, function() error "x" end) --> server-crash
end)
serve("127.0.0.1:0", function(req, res) return "ok" end)
