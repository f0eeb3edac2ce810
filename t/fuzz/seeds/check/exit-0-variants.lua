local curfew = require "curfew"
curfew.pre_stop(function() os.exit() end) --> pre-stop-exit-0
curfew.pre_stop(function() os.exit(true) end) --> pre-stop-exit-0
curfew.pre_stop(function() curfew.exit(0) end) --> pre-stop-exit-0
curfew.pre_stop(function() curfew.exit() end) --> pre-stop-exit-0
