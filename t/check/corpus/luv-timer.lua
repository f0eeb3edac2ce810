local uv = require "luv"
local server = uv.new_tcp()
server:listen(128, function()
	local timer = uv.new_timer()
	timer:start(100, 0, function()
		error "late" --> server-crash
	end)
end)
