local curfew = require "curfew"
local time = require "posix.time"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function()
	time.nanosleep { tv_sec = 1, tv_nsec = 0 } --> blocking-call
end)
