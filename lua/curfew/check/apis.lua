-- apis.lua: what is known of the functions that scripts call. A name is a path, "curfew.fs.read"; a method is ":read", or
-- ":read" of what a function returned. An entry:
--
--   async    which argument is called back later: a number, a key of a table argument, or "fn" for every function
--   pass     later arguments from this one on are handed to it
--   cb       what it is given: "maybe" is nil when the operation failed, "err" the message then, "any" unknown
--   handler  which argument serves requests, as async; bare: nothing protects it, an error in it ends the process as well
--   nilable  it returns nil and a message when it fails
--   wraps    which argument it returns, made safe for the loop
--   returns  the kind of what it returns
--   asks     called elsewhere than in a rule it asks for what the decision does
--   waits    which argument, or key of a table argument, says how long it may wait; true: it waits
--   contains which argument is called at once, its errors contained
--   ends     it does not return
--   lead     so many unknown arguments come before the handed ones
--   blocks   it blocks the event loop
--   pure     it neither waits nor calls anything
local apis = {}

-- library -> names; those of a library whose methods count only where it is used are marked by `needs`.
apis.curfew = {
	["curfew.after"] = { async = 2, returns = "handle" },
	["curfew.every"] = { async = 2, returns = "handle" },
	["curfew.subscribe"] = { async = 2, returns = "handle" },
	["curfew.sleep"] = { async = "fn", waits = 1 },
	["curfew.wait"] = { async = "fn", waits = 2, nilable = true, cb = { "maybe", "err" } },
	["curfew.exec"] = { async = "fn", waits = "timeout", nilable = true, cb = { "maybe", "err" } },
	["curfew.fetch"] = { async = "fn", waits = "timeout", nilable = true, cb = { "maybe", "err" } },
	["curfew.fs.exists"] = { async = "fn", waits = true },
	["curfew.fs.stat"] = { async = "fn", waits = true, nilable = true, cb = { "maybe", "err" } },
	["curfew.fs.read"] = { async = "fn", waits = true, nilable = true, cb = { "maybe", "err" } },
	["curfew.fs.write"] = { async = "fn", waits = true, nilable = true, cb = { "maybe", "err" } },
	["curfew.fs.rename"] = { async = "fn", waits = true, nilable = true, cb = { "maybe", "err" } },
	["curfew.fs.remove"] = { async = "fn", waits = true, nilable = true, cb = { "maybe", "err" } },
	["curfew.start"] = { async = "fn", waits = true },
	["curfew.stop"] = { async = "fn", waits = true },
	["curfew.find"] = { nilable = true, returns = "server" },
	["curfew.graceful"] = { returns = "decision" },
	["curfew.abort"] = { returns = "decision" },
	["curfew.kill"] = { returns = "decision" },
	["curfew.reload"] = { returns = "decision", asks = true, async = "fn", waits = true },
	["curfew.restart"] = { returns = "decision" },
	["curfew.ignore"] = { returns = "decision" },
	["curfew.accept"] = { returns = "decision" },
	["curfew.hurry"] = { async = "fn", waits = true },
	["curfew.extend"] = { async = "fn", waits = true },
	["curfew.skip"] = { async = "fn", waits = true },
	["curfew.cancel"] = { async = "fn", waits = true },
	["curfew.now"] = { pure = true },
	["curfew.log.debug"] = { pure = true },
	["curfew.log.info"] = { pure = true },
	["curfew.log.warn"] = { pure = true },
	["curfew.log.error"] = { pure = true },
	["server:start"] = { async = "fn", waits = true },
	["server:stop"] = { async = "fn", waits = true },
	["server:restart"] = { async = "fn", waits = true },
	["server:after"] = { returns = "server", pure = true },
	["server:stats"] = { pure = true },
	["handle:cancel"] = { pure = true },
	["task:cancel"] = { pure = true },
	["task:done"] = { pure = true },
	["conn:read"] = { async = "fn", waits = true, nilable = true, cb = { "maybe", "err" } },
	["conn:write"] = { async = "fn", waits = true },
	["conn:close"] = { pure = true },
	["conn:hold"] = { pure = true },
	["conn:alive"] = { pure = true },
	["res:send"] = { async = "fn", pure = true },
	["res:write"] = { async = "fn", waits = true },
	["res:finish"] = { async = "fn", waits = true },
	["res:status"] = { returns = "res", pure = true },
	["res:header"] = { returns = "res", pure = true },
	["res:hold"] = { pure = true },
	["res:alive"] = { pure = true },
}

-- Lua's own; io.open and the like return nil where a file is missing.
apis.lua = {
	["io.open"] = { nilable = true, returns = "file" },
	["io.popen"] = { nilable = true, returns = "file" },
	["os.execute"] = { waits = true },
	["io.input"] = { returns = "file" },
	["io.read"] = { blocks = true, nilable = true },
	["io.stdin:read"] = { blocks = true, nilable = true },
	["io.stdin:lines"] = { blocks = true },
	["file:read"] = { nilable = true, pure = true },
	["file:write"] = { pure = true },
	["file:close"] = { pure = true },
	["file:seek"] = { pure = true },
	["file:lines"] = { pure = true },
	["os.getenv"] = { nilable = true, pure = true },
	["string.match"] = { nilable = true, pure = true },
	["string.find"] = { nilable = true, pure = true },
	["tonumber"] = { nilable = true, pure = true },
	["math.tointeger"] = { nilable = true, pure = true },
	["load"] = { nilable = true, pure = true },
	["loadstring"] = { nilable = true, pure = true },
	["loadfile"] = { nilable = true },
	["io.stderr:write"] = { pure = true },
	["io.stdout:write"] = { pure = true },
	["os.remove"] = { pure = true },
	["os.rename"] = { pure = true },
	["utf8.len"] = { nilable = true, pure = true },
	["coroutine.yield"] = { waits = true },
}
local PURE = [[print io.write os.time os.clock os.date os.tmpname rawequal rawlen rawget tostring type math.floor math.ceil
	math.max math.min math.abs math.random math.type math.sqrt math.fmod string.format string.rep string.sub
	string.byte string.char string.upper string.lower string.len string.reverse string.gmatch utf8.char
	collectgarbage table.concat debug.traceback]]
for name in PURE:gmatch "%S+" do
	apis.lua[name] = { pure = true }
end

-- Methods of strings, whatever holds the string.
apis.string_methods = { match = true, find = true, gsub = true }
for name in ("sub upper lower byte rep len reverse format gmatch"):gmatch "%a+" do
	apis.string_methods[name] = true
end

-- Libraries that block the loop.
apis.blocking = {}
for name in ([[socket.connect socket.sleep socket.select socket.bind socket.dns.toip socket.dns.tohostname
	socket.dns.getaddrinfo socket.http.request ssl.https.request socket.smtp.send socket.ftp.get socket.ftp.put
	posix.sleep posix.nanosleep posix.time.nanosleep posix.unistd.sleep posix.unistd.read posix.poll.poll
	posix.sys.wait.wait posix.wait socket:connect socket:receive socket:accept socket:send socket:receivefrom
	lfs.dir lfs.attributes lfs.symlinkattributes lfs.mkdir lfs.rmdir lfs.touch lfs.lock lfs.lock_dir lfs.link
	lfs.chdir lfs.unlock]]):gmatch "%S+" do
	apis.blocking[name] = { blocks = true, nilable = name:find "^socket[.:]%a+$" ~= nil or nil }
end
apis.blocking["socket.connect"].returns = "socket"
apis.blocking["socket.bind"].returns = "socket"
apis.blocking["socket.tcp"] = { returns = "socket" }
apis.blocking["socket.udp"] = { returns = "socket" }

return apis
