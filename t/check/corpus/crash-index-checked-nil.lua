local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(0, function()
			local file = io.open("/etc/passwd")
			if file == nil then
				return
			end
			file:close()
			local other = io.open("/etc/group")
			if other ~= nil then
				other:close()
			end
		end)
	end,
} }
