local curfew = require "curfew"
curfew.spawn(function()
	while true do
		if curfew.state == "stopping" then os.exit(1) end
	end
end)
