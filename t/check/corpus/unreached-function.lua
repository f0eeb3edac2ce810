local curfew = require "curfew"
local function never_called()
	while true do end --> busy-loop
end
