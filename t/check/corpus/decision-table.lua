local curfew = require "curfew"
local by_count = { curfew.graceful(0), curfew.abort(1) }
curfew.on("SIGINT", function(t) return by_count[t.count] end)
