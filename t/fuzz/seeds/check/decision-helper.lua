local curfew = require "curfew"
local function decide(t)
	if t.count > 1 then return curfew.abort(1) end
	return curfew.graceful(0)
end
curfew.on("SIGINT", function(t) return decide(t) end)
curfew.on("SIGTERM", function(t)
	decide(t) --> decision-unused
end)
