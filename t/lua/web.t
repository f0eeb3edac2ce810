#!/usr/bin/env lua5.4
-- HTTP handlers: every way to reply, streaming, and what a handler may do wrong.
local tap = dofile "t/lib/tap.lua"
local mock = dofile "t/lua/mock.lua"

local m, x, task

-- body: the handler's, in a policy where its function is on line 1; the exchange afterwards, and its error.
local function serve(body, given, request)
	m = mock.new()
	local handler = m:run([[curfew.server { name = "web" } return function(req, res) ]] .. body .. " end", given)
	x, task = m:serve("http", handler, request or { route = "GET /" })
	return x, task.failed and task.results[2] or nil
end

local PLAIN = { ["Content-Type"] = "text/plain; charset=utf-8" }

local function replied(body, status, text, headers, words, given)
	local got, err = serve(body, given)
	tap.is(err, nil, words)
	tap.same({ got.status, got.body, got.headers }, { status, text, headers }, "… with its status, body and headers")
	tap.same(got.log, { { "reply", status, n = 2 } }, "… once")
end

-- ---- by return

replied([[return "Hello\n"]], 200, "Hello\n", PLAIN, "return body")
replied([[return 418, "short\n", { ["Content-Type"] = "text/x" }]], 418, "short\n", { ["Content-Type"] = "text/x" },
	"return status, body, headers")
replied([[return 204]], 204, "", {}, "return status: no body, no type")
replied([[return ""]], 200, "", {}, "return an empty body")
replied([[return 200.0, 42]], 200, "42", PLAIN, "numbers")
replied([[return "x", { ["content-TYPE"] = "text/x" }]], 200, "x", { ["content-TYPE"] = "text/x" }, "return body, headers")
replied([[return { status = 201, body = "x", headers = { Location = "/1", ["Set-Cookie"] = { "a=1", "b=2" }, ["X-N"] = 5 } }]],
	201, "x", { Location = "/1", ["Set-Cookie"] = { "a=1", "b=2" }, ["X-N"] = "5", ["Content-Type"] = PLAIN["Content-Type"] },
	"return a table")
replied([[return {}]], 200, "", {}, "return an empty table")
replied([[res:status(404):header("X-A", "1") return "gone"]], 404, "gone",
	{ ["X-A"] = "1", ["Content-Type"] = PLAIN["Content-Type"] }, "res:status and res:header come before the return")
replied([[res:header("X-A", "1") return 200, "x", { ["x-a"] = "2", ["Content-Type"] = "t/x" }]], 200, "x",
	{ ["x-a"] = "2", ["Content-Type"] = "t/x" }, "a later header of a name replaces the earlier")
replied([[curfew.sleep("1s") return "late"]], 200, "late", PLAIN, "a handler may wait")

-- ---- by callback

replied([[res:send(201, "done\n", { ["X-A"] = "1" })]], 201, "done\n",
	{ ["X-A"] = "1", ["Content-Type"] = PLAIN["Content-Type"] }, "res:send(status, body, headers)")
replied([[res:send("done\n")]], 200, "done\n", PLAIN, "res:send(body)")
replied([[res:status(202):send(nil, "x")]], 202, "x", PLAIN, "res:send without a status")
replied([[curfew.after("1s", function() res:send(200, "later") end)]], 200, "later", PLAIN, "from a timer, after the handler's end")
replied([[res:finish("whole")]], 200, "whole", PLAIN, "res:finish alone is a whole reply")

m = mock.new()
m.services["fs.exists"] = function(args)
	return args.path == "/srv"
end
local save = m:run [[
	curfew.server { name = "web" }
	return function(req, res)
		curfew.fs.exists("/srv", function(yes) res:send(yes and 200 or 500, "done\n") end)
	end ]]
x = m:serve("http", save, { route = "POST /save" })
tap.same({ x.status, x.body }, { 200, "done\n" }, "the callback style of the manual")

-- ---- in pieces

serve [[res:header("X-A", "1") res:write("a") curfew.sleep("1s") res:write("b") res:finish("c")]]
tap.same(x.log, { { "begin", 200, n = 2 }, { "write", "a", n = 2 }, { "write", "b", n = 2 }, { "write", "c", n = 2 },
	{ "finish", n = 1 } }, "res:write and res:finish")
tap.same(x.headers, { ["X-A"] = "1", ["Content-Type"] = PLAIN["Content-Type"] }, "… with the headers set before")
serve [[for _ = 1, 5 do res:write(("x"):rep(40000)) end res:finish()]]
local order = {}
for i, entry in ipairs(x.log) do
	order[i] = entry[1]
end
tap.is(table.concat(order, " "), "begin write write flush write write flush write finish", "a writer waits for a slow client")

m = mock.new()
local seen = {}
m:run([[given.handler = function(req, res)
	given.alive, given.write = res:alive(), { res:write("x") }
end]], seen)
x = m:exchange { route = "GET /" }
x.gone = true
m.core.spawn(m.hooks.serve, "http", seen.handler, x, 1)
m:settle()
tap.same({ seen.alive, seen.write }, { false, { nil, "the peer is gone", "EPIPE" } }, "a client that left: nil, message, code")

-- ---- no reply

serve [[]]
tap.same({ x.log, x.held }, { {}, nil }, "S6.3: a handler without a reply leaves the exchange to the core")
serve [[res:hold()]]
tap.same({ x.log, x.held }, { {}, true }, "S6.3: res:hold()")
serve [[return nil]]
tap.same(x.log, {}, "return nil is no reply")

-- ---- req

local function request(expression, given)
	local got = {}
	m = mock.new()
	m:serve("http", function(req)
		got.value = expression(req)
	end, given)
	return got.value
end
tap.is(request(function(req) return req.headers["X-Thing"] .. req.headers["x-thing"] end, { headers = { ["x-thing"] = "1" } }), "11",
	"req.headers in any case")
tap.is(request(function(req) return req.headers["X-Thing"] end, { headers = {} }), nil, "a header that is not there")
tap.same(request(function(req) return req.args end, { query = "a=1&b=x+y%21&c&=d&a=2&e=f=g&%zz=1" }),
	{ a = "2", b = "x y!", c = "", [""] = "d", e = "f=g", ["%zz"] = "1" }, "req.args is the query, decoded")
tap.same(request(function(req) return req.args end, {}), {}, "… empty without one")
tap.same(request(function(req) return { req.method, req.params.id, req.body, req.nothing } end,
	{ method = "PUT", params = { id = "7" }, body = "b" }), { "PUT", "7", "b" }, "the rest as the core gives it")

-- ---- mistakes

for _, case in ipairs {
	{ "return true", "handler of web (GET /, policy.lua:1) returned a wrong value: "
		.. "expected a body, a status, or a table with status, headers and body, got true" },
	{ "return 99", "handler of web (GET /, policy.lua:1): expected a status from 200 to 599, got 99" },
	{ "return 600", "handler of web (GET /, policy.lua:1): expected a status from 200 to 599, got 600" },
	{ "return 200.5", "handler of web (GET /, policy.lua:1): expected a status from 200 to 599, got 200.5" },
	{ "return 200, {}", "handler of web (GET /, policy.lua:1): expected a body as a string, got a table" },
	{ [[return 200, "x", "y"]], "handler of web (GET /, policy.lua:1): expected a table of headers such as "
		.. '{ ["Content-Type"] = "text/plain" }, got "y"' },
	{ [[return { code = 200 }]], 'handler of web (GET /, policy.lua:1): it returned a table with the unknown key "code"' },
	{ [[return { stauts = 200 }]],
		'handler of web (GET /, policy.lua:1): it returned a table with the unknown key "stauts", did you mean "status"?' },
	{ [[return { status = "200" }]], 'handler of web (GET /, policy.lua:1): expected a status from 200 to 599, got "200"' },
	{ [[return 200, "x", { ["X-A"] = "1\r\nX-B: 2" }]],
		[[handler of web (GET /, policy.lua:1): X-A: a header's value has no line breaks, got "1\x0d\x0aX-B: 2"]] },
	{ [[return 200, "x", { ["X A"] = "1" }]],
		'handler of web (GET /, policy.lua:1): expected the name of a header such as "Content-Type", got "X A"' },
	{ [[return 200, "x", { ["X-A"] = true }]], "handler of web (GET /, policy.lua:1): X-A: expected a string, got true" },
	{ [[return nil, "no such file", "ENOENT"]], 'handler of web (GET /, policy.lua:1) returned nil, "no such file"' },
	{ [[res.send(200, "x")]], "policy.lua:1: res:send: call it with a colon, res:send(…), not with a dot" },
	{ [[res:send(200, "x") res:send(200, "y")]], "policy.lua:1: res:send: the reply was sent already" },
	{ [[res:send(200, "x") res:header("A", "b")]], "policy.lua:1: res:header: the reply was sent already" },
	{ [[res:send(200, "x") res:status(200)]], "policy.lua:1: res:status: the reply was sent already" },
	{ [[res:send(200, "x") res:write("y")]], "policy.lua:1: res:write: the reply was sent already" },
	{ [[res:write("x") res:send(200)]], "policy.lua:1: res:send: the reply was sent already" },
	{ [[res:finish() res:write("x")]], "policy.lua:1: res:write: the reply was sent already" },
	{ [[res:write("x") res:finish() res:finish()]], "policy.lua:1: res:finish: the reply was finished already" },
	{ [[res:write("x") res:finish() res:write("y")]], "policy.lua:1: res:write: the reply was finished already" },
	{ [[res:write({})]], "policy.lua:1: res:write: expected a body as a string, got a table" },
	{ [[res:status("200")]], 'policy.lua:1: res:status: expected a status from 200 to 599, got "200"' },
	{ [[res:header("A", nil)]], "policy.lua:1: res:header: A: expected a string, got nil" },
	{ [[res:header(nil, "x")]], 'policy.lua:1: res:header: expected the name of a header such as "Content-Type", got nil' },
	{ [[error("broken", 0)]], "broken" },
} do
	local _, err = serve(case[1])
	tap.is(err, case[2], case[1])
end

serve [[res:send(200, "sent") return "again"]]
tap.same({ x.body, x.log }, { "sent", { { "reply", 200, n = 2 } } }, "a value returned after the reply is dropped")
tap.like(m.logged[1], "^warn handler of web %(GET /, policy%.lua:1%): what it returned is dropped", "… with a warning")

tap.done()
