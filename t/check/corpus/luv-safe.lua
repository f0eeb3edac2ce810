local uv = require "luv"
local server = uv.new_tcp()
server:bind("127.0.0.1", 0)
server:listen(128, function(err)
	if err then return end
	local client = uv.new_tcp()
	server:accept(client)
	client:read_start(function(read_err, chunk)
		local ok = pcall(function()
			assert(not read_err, read_err)
			if chunk then client:write(chunk) else client:close() end
		end)
		if not ok then client:close() end
	end)
end)
uv.run()
