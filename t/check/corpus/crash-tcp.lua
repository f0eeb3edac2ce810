local curfew = require "curfew"
local function serve(conn)
	for line in conn:lines() do
		curfew.exec({ "echo", line }, function(result, message)
			if not result then
				error(message) --> server-crash
			end
			conn:write(result.stdout)
		end)
	end
end
curfew.tcp { listen = "127.0.0.1:0", handler = serve }
