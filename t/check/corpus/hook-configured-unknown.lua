local curfew = require "curfew"
curfew.configure { exit_timeout = os.getenv "TIMEOUT" or "30s" }
curfew.pre_stop(function() curfew.sleep("2h") end)
