local curfew = require "curfew"
curfew.spawn(function()
	while true do
		curfew.sleep("1s")
	end
end)
