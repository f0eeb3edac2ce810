local curfew = require "curfew"
curfew.pre_stop(function()
	while true do end --> busy-loop
end)
