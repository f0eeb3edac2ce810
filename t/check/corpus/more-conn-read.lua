local curfew = require "curfew"
curfew.tcp { listen = "127.0.0.1:0", handler = function(conn)
	curfew.spawn(function()
		local line = conn:read(10)
		conn:write(line:upper()) --> server-crash
	end)
end }
