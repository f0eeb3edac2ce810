local curfew = require "curfew"
local socket = require "socket"
curfew.pre_stop(function()
	socket.sleep(1) --> blocking-call
	local conn = socket.tcp()
	conn:connect("127.0.0.1", 80) --> blocking-call
end)
