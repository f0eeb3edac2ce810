local curfew = require "curfew"
local web = curfew.http { listen = "127.0.0.1:0", routes = {} }
web:pre_stop(function()
	os.exit(0) --> pre-stop-exit-0
end)
