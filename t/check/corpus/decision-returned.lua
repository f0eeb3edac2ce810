local curfew = require "curfew"
curfew.on("SIGINT", function(t)
	if t.count > 2 then return curfew.kill(1) end
	local d = curfew.abort(130)
	return d
end)
curfew.on("SIGTERM", function(t) return t.count > 1 and curfew.abort(1) or curfew.graceful(0) end)
