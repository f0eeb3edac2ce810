local curfew = require "curfew"
curfew.pre_stop(function(ctx)
	ctx:extend("30s")
	curfew.sleep("20s")
end)
