local curfew = require "curfew"
curfew.on("SIGINT", function(t)
	local decision
	if t.count > 1 then decision = curfew.abort(1) else decision = curfew.graceful(0) end
	return decision
end)
curfew.on("SIGUSR1", function(t) curfew.spawn(function() curfew.log.info "x" end) return curfew.ignore end)
curfew.on("SIGUSR2", function() curfew.reload() end) --> decision-unused
