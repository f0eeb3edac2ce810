local curfew = require "curfew"
curfew.pre_stop(function()
	curfew.all {
		function() curfew.sleep("3s") end,
		function() curfew.sleep("4s") end,
	}
end)
