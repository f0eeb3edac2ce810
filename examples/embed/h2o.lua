-- h2o.lua: the policy of h2o.c beside it: half a second of "Connection: close" and GOAWAY before the listener closes.
local curfew = require "curfew"

curfew.configure { exit_timeout = "4s" }

local web = curfew.find "web"

web:pre_stop(function()
	curfew.log.info "> pre_stop"
	curfew.sleep "500ms"
end, { name = "let the balancer notice" })

web:post_stop(function()
	curfew.log.info "> post_stop"
end)
