local curfew = require "curfew"
local function pause() curfew.sleep("1s") end
curfew.spawn(function()
	while true do pause() end
end)
