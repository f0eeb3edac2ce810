local curfew = require "curfew"
curfew.pre_stop(function()
	curfew.exec { "backup", timeout = "1m" } --> hook-too-long
end)
