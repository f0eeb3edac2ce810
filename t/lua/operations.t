#!/usr/bin/env lua5.4
-- exec, fetch, files, os.execute, io.popen, require.
local tap = dofile "t/lib/tap.lua"
local mock = dofile "t/lua/mock.lua"

local m, io_written
local function fresh()
	m = mock.new()
	for _, name in ipairs { "exec", "fetch", "fs.exists", "fs.stat", "fs.read", "fs.write", "fs.rename", "fs.remove" } do
		m.services[name] = function()
			return "done"
		end
	end
end

-- What curfew is asked for, as the core gets it.
for _, case in ipairs {
	{ [[curfew.exec { "pg_dump", "db", 5 }]], "exec", { command = { "pg_dump", "db", "5" } } },
	{ [[curfew.exec { "cat", timeout = "10s", env = { A = 1 }, cwd = "/", stdin = "", user = 0 }]], "exec",
		{ command = { "cat" }, timeout = 10000000000, env = { A = "1" }, cwd = "/", stdin = "", user = "0" } },
	{ [[curfew.fetch("http://127.0.0.1/")]], "fetch", { url = "http://127.0.0.1/" } },
	{ [[curfew.fetch("https://a/b?c", { method = "PUT", headers = { A = 1 }, body = "x", timeout = 2, unix = "/s" })]], "fetch",
		{ url = "https://a/b?c", method = "PUT", headers = { A = "1" }, body = "x", timeout = 2000000000, unix = "/s" } },
	{ [[curfew.fs.exists("/x")]], "fs.exists", { path = "/x" } },
	{ [[curfew.fs.stat("/x")]], "fs.stat", { path = "/x" } },
	{ [[curfew.fs.read("/x")]], "fs.read", { path = "/x" } },
	{ [[curfew.fs.read("/x", { max = "1KB" })]], "fs.read", { path = "/x", max = 1024 } },
	{ [[curfew.fs.write("/x", "data")]], "fs.write", { path = "/x", data = "data" } },
	{ [[curfew.fs.write("/x", "", { mode = "0640", append = true, sync = true })]], "fs.write",
		{ path = "/x", data = "", mode = 416, append = true, sync = true } },
	{ [[curfew.fs.rename("/x", "/y")]], "fs.rename", { from = "/x", to = "/y" } },
	{ [[curfew.fs.remove("/x")]], "fs.remove", { path = "/x" } },
} do
	local script, name, args = table.unpack(case)
	fresh()
	tap.same({ m:run("return " .. script) }, { "done" }, script)
	tap.same(m.calls, { { name = name, args = args } }, "… as the core takes it")
	fresh()
	local call = script:find "^curfew.exec" and script:gsub("exec (.*)$", "exec(%1, cb)") or script:gsub("%)$", ", cb)")
	tap.same({ m:run("local seen local function cb(v) seen = v end local r = " .. call
		.. " local before = seen curfew.sleep(1) return r, before == nil, seen") }, { true, true, "done" }, "… and with a callback")
	tap.same(m.calls, { { name = name, args = args } }, "… the same")
end

fresh()
m.services.exec = function()
	return nil, "ls: No such file or directory", "ENOENT"
end
tap.same({ m:run [[return curfew.exec { "ls" }]] }, { nil, "ls: No such file or directory", "ENOENT" }, "a failure")
tap.same({ m:run [[local a, b, c curfew.exec({ "ls" }, function(...) a, b, c = ... end) curfew.sleep(1) return a, b, c]] },
	{ nil, "ls: No such file or directory", "ENOENT" }, "a failure in a callback")

-- ---- os.execute and io.popen

-- The host's exec, played: sh -c by a table of commands.
local function shell(commands)
	m = mock.new()
	m.services.exec = function(args)
		tap.same({ args.command[1], args.command[2] }, { "/bin/sh", "-c" }, "it is the shell's: " .. args.command[3])
		local r = commands[args.command[3]]
		if type(r) == "function" then
			return r(args.stdin)
		end
		if r == nil then
			return nil, "Resource temporarily unavailable", "EAGAIN"
		end
		return r
	end
end

-- What a script prints is a part of what is looked at.
local real_io = { stdout = io.stdout, stderr = io.stderr }
local function capture(f)
	io_written = { stdout = "", stderr = "" }
	for name in pairs(io_written) do
		io[name] = {
			write = function(_, s)
				io_written[name] = io_written[name] .. s
			end,
			flush = function() end,
		}
	end
	local r = table.pack(pcall(f))
	io.stdout, io.stderr = real_io.stdout, real_io.stderr
	return table.unpack(r, 2, r.n)
end

-- The checks inside would print while io is replaced: keep them quiet.
local checks = {}
local same = tap.same
tap.same = function(...) -- luacheck: ignore 122
	if io.stdout == real_io.stdout then
		return same(...)
	end
	checks[#checks + 1] = table.pack(...)
	return true
end

local commands = {
	["true"] = { code = 0, stdout = "", stderr = "" },
	["false"] = { code = 3, stdout = "out\n", stderr = "err\n" },
	["kill -9 $$"] = { signal = "SIGKILL", stdout = "", stderr = "" },
	["text"] = { code = 0, stdout = "one\ntwo\n\n 12 0x1F -3.5e1 x\nlast", stderr = "err" },
	["read"] = function(stdin)
		return { code = #stdin, stdout = "got " .. stdin, stderr = "" }
	end,
}

local function shell_run(src)
	shell(commands)
	local r = table.pack(capture(function()
		return m:run(src)
	end))
	for _, check in ipairs(checks) do
		same(table.unpack(check, 1, check.n))
	end
	checks = {}
	return table.unpack(r, 1, r.n)
end

tap.same({ shell_run "return os.execute()" }, { true }, "os.execute(): there is a shell")
tap.same({ shell_run "return os.execute('true')" }, { true, "exit", 0 }, "os.execute: code 0")
tap.same({ shell_run "return os.execute('false')" }, { nil, "exit", 3 }, "os.execute: another code")
tap.same(io_written, { stdout = "out\n", stderr = "err\n" }, "… and what it printed is printed")
tap.same({ shell_run "return os.execute('kill -9 $$')" }, { nil, "signal", 9 }, "os.execute: a signal")
tap.same({ shell_run "return os.execute('no fork')" }, { nil, "Resource temporarily unavailable", "EAGAIN" }, "os.execute: failed")

tap.same({ shell_run [[
	local p <close> = io.popen("text")
	local a, b, c = p:read("l", "L", "l")
	local n1, n2, n3, bad = p:read("n", "n", "n", "n")
	local rest = p:read("a")
	local empty, over = p:read("a"), p:read("l")
	return a, b, c, n1, n2, n3, bad, rest, empty, over, p:read(1), p:seek() == nil, p:setvbuf("no"), tostring(p) ]] },
	{ "one", "two\n", "", 12, 31, -35.0, nil, " x\nlast", "", nil, nil, true, true, "file (text)" },
	"io.popen: read in every format")
tap.is(io_written.stderr, "err", "… and its stderr is passed on")
tap.same({ shell_run [[
	local p, lines = io.popen("text", "r"), {}
	for line in p:lines() do lines[#lines + 1] = line end
	local x, y, z = p:close()
	return #lines, lines[5], x, y, z, tostring(p) ]] }, { 5, "last", true, "exit", 0, "file (closed)" }, "lines and close")
tap.same({ shell_run [[
	local p = io.popen("text")
	local got = {}
	for two in p:lines(2) do got[#got + 1] = two end
	return got[1], got[2], #got, p:write("x") ]] }, { "on", "e\n", 16, nil, "Bad file descriptor", 9 }, "by count; not to be written")
tap.same({ shell_run [[local p = io.popen("no fork") return p:read("a")]] },
	{ nil, "Resource temporarily unavailable", "EAGAIN" }, "a command that could not run: what is read says so")
tap.same({ shell_run [[local p = io.popen("no fork") return p:close()]] },
	{ nil, "Resource temporarily unavailable", "EAGAIN" }, "… and its close")
tap.same({ shell_run [[
	local p = io.popen("read", "w")
	local same = p:write("ab", 5) == p
	return same, p:flush() == p, p:read() == nil, p:close() ]] }, { true, true, true, nil, "exit", 3 }, "io.popen to write")
tap.is(io_written.stdout, "got ab5", "… what it prints is printed")
shell(commands)
tap.is(m:error [[local p = io.popen("true") p:close() p:read()]], "policy.lua:1: pipe:read: the pipe is closed", "a closed pipe")
tap.is(m:error [[io.popen("true"):read("x")]], 'policy.lua:1: pipe:read: invalid format "x"', "an unknown format")
tap.is(m:error [[io.popen("true").read()]], "policy.lua:1: pipe:read: call it with a colon, pipe:read(…), not with a dot", "a dot")

-- ---- require

m = mock.new()
package.preload["t.waits"] = function(name)
	m.core.sleep(1000000000)
	return { name = name, at = m.core.now() }
end
package.preload["t.silent"] = function() end
tap.same({ m:run [[local a, b = require "t.waits", require "t.waits" return a == b, a.name, a.at]] }, { true, "t.waits", 1.0 },
	"a module may wait while it is loaded, and is loaded once")
tap.same({ m:run [[return require "t.silent", package.loaded["t.silent"] ]] }, { true, true }, "a module that returns nothing")
tap.like(m:error [[local x = require "t.nowhere"]],
	"^policy%.lua:1: module 't%.nowhere' not found:.*no field package%.preload%['t%.nowhere'%]", "a module that is not there")
tap.is(m:error [[require {}]], "policy.lua:1: bad argument #1 to 'require' (string expected, got table)", "no name")

tap.done()
