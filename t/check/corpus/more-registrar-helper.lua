local curfew = require "curfew"
local function exists(path, callback)
	return curfew.fs.exists(path, callback)
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		exists("/x", function(yes)
			if not yes then error "no" end --> server-crash
		end)
	end,
} }
