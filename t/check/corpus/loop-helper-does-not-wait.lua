local curfew = require "curfew"
local function note() curfew.log.debug "spin" end
curfew.spawn(function()
	while true do note() end --> busy-loop
end)
