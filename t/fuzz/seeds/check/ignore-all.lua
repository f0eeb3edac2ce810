local curfew = require "curfew"
curfew.pre_stop(function() os.exit(0) end) -- curfew: ignore
-- curfew: ignore unknown-trigger, decision-unused
curfew.on("SIGX", function() curfew.abort(1) end)
