local curfew = require "curfew"
curfew.on("SIGTERM", curfew.graceful(0))
curfew.on("sigint", curfew.abort)
curfew.on("HUP", curfew.reload)
curfew.on("custom:deploy", curfew.graceful)
curfew.on("closed", curfew.restart)
curfew.on("start_failed", curfew.graceful(1))
curfew.on("*", function() end)
local name = os.getenv "SIGNAL" or "SIGUSR1"
curfew.on(name, curfew.graceful)
