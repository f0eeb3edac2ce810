local curfew = require "curfew"
curfew.post_stop(function()
	curfew.sleep("3s")
	curfew.sleep("3s") --> hook-too-long
	curfew.sleep("3s")
end)
