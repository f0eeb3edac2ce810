local curfew = require "curfew"
curfew.configure { exit_timeout = "30s" }
curfew.pre_stop(function() curfew.sleep("20s") end)
curfew.pre_stop(function() curfew.sleep("31s") end) --> hook-too-long
