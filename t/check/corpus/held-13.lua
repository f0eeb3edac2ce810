local curfew = require "curfew"
local web = curfew.http { listen = ":0", routes = {} }
web:pre_stop(function(ctx)
	while ctx:remaining() > 1 do
		if web:stats().connections == 0 then return end
		curfew.sleep("100ms")
	end
end)
web:pre_stop(function()
	local n = 0
	while n < 5 do
		n = n + 1
		curfew.sleep("100ms")
	end
	for _ = 1, 3 do curfew.sleep("1s") end
end)
curfew.on("SIGTERM", function(t)
	if t.count == 1 then
		return curfew.graceful(0)
	elseif t.count == 2 then
		return curfew.abort(1)
	end
	return curfew.kill(9)
end)
