local copas = require "copas"
local socket = require "socket"
local server = socket.bind("127.0.0.1", 0)
copas.addserver(server, function(sock)
	copas.addthread(function(name)
		copas.sleep(1)
		if name == "x" then error "thread" end --> server-crash
	end, "x")
	copas.timer.new {
		delay = 1,
		callback = function() error "timer" end, --> server-crash
	}
end)
copas.loop()
