local curfew = require "curfew"
curfew.on("SIGTREM", curfew.graceful) --> unknown-trigger
curfew.on("close", function() return curfew.ignore end) --> unknown-trigger
