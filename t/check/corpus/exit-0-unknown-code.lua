local curfew = require "curfew"
curfew.pre_stop(function(ctx) os.exit(ctx.trigger.code) end)
