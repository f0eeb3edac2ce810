local curfew = require "curfew"
curfew.on("SIGINT", function(t)
	if t.count > 1 then
		curfew.abort(130) --> decision-unused
	end
	return curfew.graceful(0)
end)
