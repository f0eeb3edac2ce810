local curfew = require "curfew"
curfew.pre_stop(function()
	local till = os.clock() + 1
	while os.clock() < till do end --> busy-loop
end)
