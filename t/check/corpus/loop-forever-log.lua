local curfew = require "curfew"
curfew.on("SIGUSR1", function()
	while true do --> busy-loop
		curfew.log.info "still here"
	end
end)
