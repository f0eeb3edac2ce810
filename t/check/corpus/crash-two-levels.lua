local curfew = require "curfew"
local function inner(x)
	assert(x) --> server-crash
end
local function outer(x)
	inner(x)
end
curfew.tcp { listen = "127.0.0.1:0", handler = function(conn)
	curfew.exec({ "true" }, function(result)
		outer(result)
	end)
end }
