local curfew = require "curfew"
local app = {}
app.fail = function() error "set as a field" end --> server-crash
app.server = curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.remove("/tmp/x", function(ok, message)
			if not ok then app.fail(message) end
		end)
	end,
} }
