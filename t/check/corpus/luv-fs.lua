local uv = require "uv"
local function serve(client)
	uv.fs_open("/srv/x", "r", 438, function(err, fd)
		assert(not err, err) --> server-crash
		uv.fs_fstat(fd, function(stat_err, stat)
			print(stat.size) --> server-crash
		end)
	end)
end
local server = uv.new_pipe(false)
uv.listen(server, 10, function(err)
	assert(not err) --> server-crash
	serve(uv.new_pipe(false))
end)
local timer = uv.new_timer()
timer:start(1000, 0, function() error "not of a request" end)
uv.run()
