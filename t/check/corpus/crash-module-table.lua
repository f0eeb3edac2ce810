local curfew = require "curfew"
local M = {}
function M.save(data)
	if not data then
		error "no data" --> server-crash
	end
end
function M:close()
	error "never called"
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.read("/x", function(data)
			M.save(data)
		end)
	end,
} }
