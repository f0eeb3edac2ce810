local curfew = require "curfew"
local function settle()
	curfew.sleep("6s") --> hook-too-long
end
local web = curfew.tcp { listen = "127.0.0.1:0", handler = function() end }
web:post_stop(settle)
web:pre_stop(function() curfew.after("1h", function() end) end)
