local curfew = require "curfew"
curfew.on({ "SIGTERM", "SIGINT" }, curfew.graceful)
curfew.on({
	"SIGTERM",
	"SIGQIUT", --> unknown-trigger
}, curfew.graceful)
