-- others.lua: other event loops: what calls back asynchronously there, and what serves requests. Entries as in apis.lua.
local others = {}

-- require name -> path
others.alias = { uv = "luv" }

-- A callback of luv runs with nothing around it: an error in the connection callback itself ends the process.
local luv = {
	["luv.listen"] = { handler = "fn", bare = true },
	[":listen"] = { handler = "fn", bare = true },
}
for name in ([[accept read_start write write2 shutdown close connect timer_start idle_start prepare_start check_start
	signal_start poll_start udp_recv_start udp_send udp_try_send pipe_connect tcp_connect fs_event_start
	fs_poll_start try_write]]):gmatch "%S+" do
	luv["luv." .. name] = { async = "fn" }
end
for name in ([[read_start write write2 shutdown close connect start recv_start send]]):gmatch "%S+" do
	luv[":" .. name] = { async = "fn" }
end
luv["luv.spawn"] = { async = "fn" }
luv["luv.new_async"] = { async = "fn" }
luv["luv.queue_work"] = { async = "fn" }
luv["luv.read_start"].cb = { "any", "maybe" }
luv[":read_start"].cb = { "any", "maybe" } -- err, data: nil at the end
for name in ([[open close read write unlink rename stat fstat lstat scandir mkdir rmdir mkdtemp mkstemp access chmod copyfile
	ftruncate fsync fdatasync utime link symlink readlink realpath opendir readdir sendfile]]):gmatch "%S+" do
	luv["luv.fs_" .. name] = { async = "fn", nilable = true, cb = { "err", "maybe" } }
end
for name in ("getaddrinfo getnameinfo random"):gmatch "%S+" do
	luv["luv." .. name] = { async = "fn", cb = { "err", "maybe" } }
end
for name in ("tcp pipe udp timer idle check prepare signal poll fs_event tty"):gmatch "%S+" do
	luv["luv.new_" .. name] = { returns = "?" }
end

others.libraries = {
	{ name = "luv", requires = { "luv", "uv" }, apis = luv },
	{
		name = "cqueues",
		requires = { "cqueues", "http.server", "cqueues.socket" },
		apis = {
			[":wrap"] = { async = 1, pass = 2 },
			[":attach"] = { async = "fn" },
			["http.server.listen"] = { handler = "onstream" },
			["http.server.new"] = { handler = "onstream" },
		},
	},
	{
		name = "copas",
		requires = { "copas" },
		apis = {
			["copas.addserver"] = { handler = "fn" },
			["copas.addthread"] = { async = 1, pass = 2 },
			["copas.addnamedthread"] = { async = 2, pass = 3 },
			["copas.timer.new"] = { async = "callback" },
			["copas.handler"] = { wraps = 1, pure = true },
			["copas.sleep"] = { waits = true },
			["copas.pause"] = { waits = true },
		},
	},
	-- A file of OpenResty runs for each request, and so do the functions of a module that it returns.
	{
		name = "ngx",
		global = "ngx",
		main = true,
		apis = {
			["ngx.timer.at"] = { async = 2, lead = 1, pass = 3 },
			["ngx.timer.every"] = { async = 2, lead = 1, pass = 3 },
			["ngx.thread.spawn"] = { contains = 1, pass = 2 },
			["ngx.sleep"] = { waits = true },
			["ngx.exit"] = { ends = true },
			["ngx.redirect"] = { ends = true },
			["ngx.exec"] = { ends = true },
			["ngx.req.get_body_data"] = { nilable = true },
			["ngx.location.capture"] = { waits = true },
			["ngx.re.match"] = { nilable = true },
		},
	},
}

return others
