local curfew = require "curfew"
local after, fs = curfew.after, curfew.fs
local raise = error
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		after(1, function()
			raise "through an alias" --> server-crash
		end)
		fs.read("/x", function(data)
			raise "and another" --> server-crash
		end)
	end,
} }
