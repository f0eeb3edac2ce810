local curfew = require "curfew"
local function on_read(data)
	error("as a named callback") --> server-crash
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.read("/x", on_read)
	end,
} }
