local curfew = require "curfew"
curfew.server { name = "thing",
	start = function() end,
	stop = function() curfew.sleep("8s") end, --> hook-too-long
}
