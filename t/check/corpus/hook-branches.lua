local curfew = require "curfew"
curfew.pre_stop(function(ctx)
	if ctx.mode == "graceful" then
		curfew.sleep("3s")
	else
		curfew.sleep("4s")
	end
	curfew.sleep("500ms")
end)
