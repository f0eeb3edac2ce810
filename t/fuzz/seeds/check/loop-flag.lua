local curfew = require "curfew"
local done = false
curfew.after("1s", function() done = true end)
curfew.pre_stop(function()
	while not done do end --> busy-loop
end)
