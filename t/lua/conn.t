#!/usr/bin/env lua5.4
-- TCP connections as a handler sees them.
local tap = dofile "t/lib/tap.lua"
local mock = dofile "t/lua/mock.lua"

local m, x, task, seen

local function serve(body, input)
	m, seen = mock.new(), {}
	local handler = m:run("return function(conn) " .. body .. " end", seen)
	x, task = m:serve("tcp", handler, { peer = "127.0.0.1:5555" }, input)
	return task.failed and task.results[2] or nil
end

serve([[for chunk in conn:chunks() do conn:write(chunk) end given.peer = conn.peer]], { "ab", "c\n", "d" })
tap.is(x.body, "abc\nd", "chunks: an echo")
tap.is(seen.peer, "127.0.0.1:5555", "conn.peer")

serve([[for line in conn:lines() do given[#given + 1] = line end]], { "one\ntw", "o\r\n\nth", "ree", "\nrest" })
tap.same(seen, { "one", "two", "", "three", "rest" }, "lines, however they are cut")
serve([[for line in conn:lines() do given[#given + 1] = line end]], {})
tap.same(seen, {}, "no lines of nothing")
serve([[for line in conn:lines() do given[1] = line break end given[2], given[3], given[4] = conn:read(2), conn:read(), conn:read()]],
	{ "head\nabc", "d" })
tap.same(seen, { "head", "ab", "c", "d" }, "read goes on behind the line")
serve([[given[1], given[2], given[3] = conn:read(1), conn:read(9), conn:read()]], { "abc" })
tap.same(seen, { "a", "bc" }, "read: at most so many, nil at the end")
serve([[given.n = select("#", conn:chunks()()) given[1] = { conn:read() }]], { { "reset", "ECONNRESET" }, { "reset", "ECONNRESET" } })
tap.same(seen, { n = 1, { nil, "reset", "ECONNRESET" } }, "an error ends chunks, read tells it")
serve([[conn:read(function(data) given.data = data end) given.first = given.data == nil curfew.sleep(1)]], { "x" })
tap.same(seen, { data = "x", first = true }, "read with a callback")

serve([[for _ = 1, 4 do given[#given + 1] = conn:write(("x"):rep(30000), 5) end]])
local order = {}
for i, entry in ipairs(x.log) do
	order[i] = entry[1]
end
tap.is(table.concat(order, " "), "write write write write write write flush write write", "a writer waits for a slow peer")
tap.same(seen, { true, true, true, true }, "write: true")
serve([[conn:write("a", "b", function(ok) given.ok = ok end) given.first = given.ok == nil curfew.sleep(1)]])
tap.same({ x.body, seen.ok, seen.first }, { "ab", true, true }, "write with a callback")
serve([[conn:close() given.held = conn:hold() == conn]])
tap.same({ x.closed, x.held, seen.held }, { true, true, true }, "close and hold")

m, seen = mock.new(), {}
m:run([[given.handler = function(conn) given.alive, given.write = conn:alive(), { conn:write("x") } end]], seen)
x = m:exchange { peer = "?" }
x.gone = true
m.core.spawn(m.hooks.serve, "tcp", seen.handler, x, 1)
m:settle()
tap.same({ seen.alive, seen.write }, { false, { nil, "the peer is gone", "EPIPE" } }, "a peer that left: nil, message, code")

tap.is(serve "conn:read(0)", "policy.lua:1: conn:read: expected a number of bytes, 1 or more, got 0", "reading nothing")
tap.is(serve [[conn:read("l")]], 'policy.lua:1: conn:read: expected a number of bytes, 1 or more, got "l"', "reading a line so")
tap.is(serve "conn:write({})", "policy.lua:1: conn:write: expected a string, got a table", "writing a table")
tap.is(serve "conn.read()", "policy.lua:1: conn:read: call it with a colon, conn:read(…), not with a dot", "a dot for a colon")
tap.is(serve([[for _ in conn:lines() do end]], { ("x"):rep(600000), ("x"):rep(600000) }),
	"conn:lines: a line longer than 1048576 bytes", "a line without an end is not read for ever")

tap.done()
