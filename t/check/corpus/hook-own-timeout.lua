local curfew = require "curfew"
curfew.pre_stop(function()
	curfew.sleep("1h")
end, { timeout = "2s" })
