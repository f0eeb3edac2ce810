local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local a, b = io.open "/a", io.open "/b"
			if not (a and b) then return end
			a:close()
			b:close()
			local c = io.open "/c"
			while not c do
				curfew.sleep(1)
				c = io.open "/c"
			end
			c:close()
			local d = io.open "/d"
			local size = d and d:seek "end"
			res:send(size and "yes" or "no")
		end)
	end,
} }
