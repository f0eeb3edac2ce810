local curfew = require "curfew"
local function guarded(f)
	return function(...)
		local ok, message = pcall(f, ...)
		if not ok then
			curfew.log.error(message)
		end
	end
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.exists("/x", guarded(function(yes)
			error "caught by the wrapper"
		end))
	end,
} }
