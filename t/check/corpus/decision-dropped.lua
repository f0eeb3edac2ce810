local curfew = require "curfew"
curfew.on("SIGINT", function(t)
	curfew.graceful(0) --> decision-unused
end)
