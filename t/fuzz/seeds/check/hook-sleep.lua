local curfew = require "curfew"
local web = curfew.http { listen = "127.0.0.1:0", routes = {} }
web:pre_stop(function(ctx)
	curfew.sleep("10s") --> hook-too-long
end)
