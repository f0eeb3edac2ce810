local curfew = require "curfew"
curfew.pre_stop(function() curfew.sleep("20s") end)
curfew.configure { exit_timeout = "1m" }
