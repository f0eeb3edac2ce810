local curfew = require "curfew"
curfew.on("closed", function(t)
	local d = curfew.graceful(3) --> decision-unused
end)
