-- curfew.reload() asks for a reload; curfew.reload is the decision. A real-time signal is a trigger.
local curfew = require "curfew"

curfew.on("SIGHUP", curfew.reload)
curfew.on("SIGRTMIN", curfew.reload)
curfew.on({ "sigrtmin+3", "RTMAX" }, curfew.ignore)
curfew.on("SIGRTMIN+99", curfew.ignore) --> unknown-trigger
curfew.every("1h", function()
	curfew.reload()
end)
curfew.after(1, function()
	local changes, why = curfew.reload()
	curfew.log.info(changes and changes.generation or why)
end)
curfew.on("SIGUSR1", function()
	curfew.graceful(1) --> decision-unused
end)
