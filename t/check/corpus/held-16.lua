local uv = require("luv")
local function protect(cb) return function(...) local ok, err = xpcall(cb, debug.traceback, ...) if not ok then print(err) end end end
local server = uv.new_tcp()
server:listen(128, protect(function(err)
	local client = uv.new_tcp()
	server:accept(client)
	client:read_start(protect(function(e, chunk) assert(not e, e) client:write(chunk:upper()) end))
	client:write("hello", function(e) assert(not e) end) --> server-crash
end))
