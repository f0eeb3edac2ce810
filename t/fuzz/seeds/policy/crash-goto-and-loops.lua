local curfew = require "curfew"
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			for i = 1, 10 do
				if i == 5 then
					goto continue
				end
				if i == 7 then
					error "seven" --> server-crash
				end
				::continue::
			end
		end)
	end,
} }
