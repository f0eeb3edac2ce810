local uv = require "luv"
local server = uv.new_tcp()
server:bind("127.0.0.1", 0)
server:listen(128, function(err)
	local client = uv.new_tcp()
	server:accept(client)
	client:read_start(function(read_err, chunk)
		if read_err then
			error(read_err) --> server-crash
		end
		client:write(chunk:upper()) --> server-crash
	end)
end)
uv.run()
