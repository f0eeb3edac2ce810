local curfew = require "curfew"
curfew.tcp { listen = "127.0.0.1:0", handler = function(conn)
	curfew.spawn(function()
		while true do
			local data = conn:read(10)
			if not data then
				break
			end
			conn:write(data:upper())
		end
	end)
	conn:hold()
end }
