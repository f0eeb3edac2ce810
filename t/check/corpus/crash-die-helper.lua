local curfew = require "curfew"
local function die(fmt, ...)
	error(fmt:format(...), 0) --> server-crash
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local file = io.open "/x" or die("no %s", "/x")
			file:close()
			local other = io.open "/y"
			if not other then
				die "no y"
			end
			other:close()
		end)
	end,
} }
