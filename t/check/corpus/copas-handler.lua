local copas = require "copas"
local function handler(skt)
	local data = skt:receive()
	if not data then error "in the handler itself" end
	copas.addthread(function()
		local f = io.open "x"
		f:close() --> server-crash
	end)
end
copas.addserver(assert(require("socket").bind("*", 0)), copas.handler(handler))
copas.loop()
