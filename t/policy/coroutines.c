/* coroutine.* is replaced (S5.1), and is Lua's in every other respect. */
#define _GNU_SOURCE
#include "fake.h"

static void says(const char *script, const char *want, const char *words)
{
	struct fake *f = fake_new(0);
	fake_load(f, script);
	is_str(said(f), want, "%s", words);
	if (strcmp(loaded(f), "ok;") != 0 || *asked(f) || *logged(f))
		ok(false, "%s: quiet (loaded %s asked %s log %s)", words, loaded(f), asked(f), logged(f));
	fake_free(f);
}

static void as_in_lua(void)
{
	says("local co = coroutine.create(function(a, b) local x = coroutine.yield(a + b) local y, z = coroutine.yield(x * 2) "
	     "return y, z, 'end' end) say(select(2, coroutine.resume(co, 1, 2))) say(select(2, coroutine.resume(co, 10))) "
	     "say(select(2, coroutine.resume(co, 'y', 'z'))) say(select(2, coroutine.resume(co)))",
	     "3;20;y z end;cannot resume dead coroutine;", "values go in and out");
	says("local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end "
	     "local s = 0 for i in gen(10) do s = s + i end say(s)",
	     "55;", "a generator in a for loop");
	says("local function walk(t) if t then walk(t[1]) coroutine.yield(t[2]) walk(t[3]) end end "
	     "for v in coroutine.wrap(function() walk({{nil, 1}, 2, {{nil, 3}, 4}}) end) do say(v) end",
	     "1;2;3;4;", "a recursive generator");
	says("local function filter(p, g) return coroutine.wrap(function() while true do local n = g() if n == nil then return "
	     "end "
	     "if n % p ~= 0 then coroutine.yield(n) end end end) end "
	     "local x = coroutine.wrap(function() for i = 2, 30 do coroutine.yield(i) end end) local l = {} "
	     "while true do local n = x() if n == nil then break end l[#l + 1] = n x = filter(n, x) end say(table.concat(l, "
	     "','))",
	     "2,3,5,7,11,13,17,19,23,29;", "the sieve: coroutines in coroutines");
	says("local co co = coroutine.create(function() say(coroutine.status(co)) "
	     "coroutine.wrap(function() say(coroutine.status(co)) end)() coroutine.yield() end) say(coroutine.status(co)) "
	     "coroutine.resume(co) say(coroutine.status(co)) coroutine.resume(co) say(coroutine.status(co))",
	     "suspended;running;normal;suspended;dead;", "status");
	says("local co = coroutine.create(function() error({code = 7}) end) local ok, e = coroutine.resume(co) "
	     "say(tostring(ok), e.code) "
	     "say(coroutine.status(co))",
	     "false 7;dead;", "an error object through resume");
	says("say(pcall(coroutine.wrap(function() error({code = 7}) end)) and 1 or 2) local ok, e = "
	     "pcall(coroutine.wrap(function() error('x', 0) end)) say(e)",
	     "2;x;", "errors through wrap");
	says("local ok, e = pcall(function() coroutine.wrap(function() error('x') end)() end) say(e)",
	     "policy.lua:1: policy.lua:1: x;", "wrap puts the place of the call in front, as Lua does");
	says("local f = coroutine.wrap(function() return 1 end) f() say((select(2, pcall(f))))",
	     "cannot resume dead coroutine;", "a dead wrapped coroutine");
	says("say(tostring(coroutine.isyieldable()), tostring(select(2, coroutine.running()))) coroutine.wrap(function() "
	     "say(tostring(coroutine.isyieldable()), tostring(select(2, coroutine.running()))) end)()",
	     "false true;true false;", "isyieldable and running: a task is a main thread to its script");
	says("say((select(2, pcall(coroutine.yield, 1))))", "attempt to yield from outside a coroutine;",
	     "no yield from a task");
	says("local me = coroutine.running() say(select(2, coroutine.resume(me))) "
	     "c.spawn(function() say(select(2, coroutine.resume(me))) say((select(2, pcall(coroutine.close, me)))) "
	     "say(coroutine.status(me)) end) c.sleep(1)",
	     "cannot resume the coroutine of a task;cannot resume the coroutine of a task;cannot close a normal "
	     "coroutine;normal;",
	     "a task's coroutine can be neither resumed nor closed by a script");
	says("local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function(_, e) "
	     "say('closed', tostring(e)) end}) coroutine.yield() end) coroutine.resume(co) say(tostring(coroutine.close(co))) "
	     "say(coroutine.status(co))",
	     "closed nil;true;dead;", "close runs <close> variables");
	says("local co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() error('in "
	     "close', 0) end}) "
	     "coroutine.yield() end) coroutine.resume(co) local ok, e = coroutine.close(co) say(tostring(ok), e)",
	     "false in close;", "close gives their error");
	says("local co = coroutine.create(function() error('x', 0) end) coroutine.resume(co) say(select('#', "
	     "coroutine.close(co)))",
	     "2;", "close of one that failed");
	says("local co co = coroutine.wrap(function() return pcall(co) end) say(select(2, co()))",
	     "cannot resume non-suspended coroutine;", "a coroutine cannot resume itself");
	says("local co = coroutine.wrap(function() return pcall(function() coroutine.yield(1) error('x', 0) end) end) "
	     "say(co()) "
	     "say(select(2, co()))",
	     "1;x;", "yield across pcall");
	says("local t = setmetatable({}, {__index = function(_, k) return coroutine.yield(k) end}) "
	     "local co = coroutine.wrap(function() return t.key end) say(co()) say(co('value'))",
	     "key;value;", "yield across a metamethod");
	says("local co = coroutine.wrap(function() table.sort({2, 1}, function() coroutine.yield() end) end) "
	     "say((select(2, pcall(co))))",
	     "attempt to yield across a C-call boundary;", "no yield across a comparator");
	says("say((select(2, pcall(coroutine.resume, 1)))) say((select(2, pcall(coroutine.create, 1))))",
	     "bad argument #1 to 'coroutine.resume' (thread expected, got number);bad argument #1 to 'coroutine.create' "
	     "(function expected, got number);",
	     "misuse");
	says("local function deep(n) if n == 0 then return 'deep' end return coroutine.wrap(function() return deep(n - 1) "
	     "end)() end "
	     "say(deep(100)) say(tostring(pcall(deep, 300)))",
	     "deep;false;", "nested a hundred deep; too deep is an error");
}

static void waits(void)
{
	says("local co = coroutine.wrap(function() say('in') c.sleep(5) say('slept') coroutine.yield('y') c.sleep(5) return "
	     "'r' end) "
	     "say(co()) say(co())",
	     "in;slept;y;r;", "a wait in a coroutine suspends the task, and comes back inside");
	says("local co = coroutine.create(function() local ok, e = pcall(function() c.sleep(1) error('x', 0) end) "
	     "local i = coroutine.wrap(function() c.sleep(1) coroutine.yield('inner') c.sleep(1) end) say(i()) i() return e "
	     "end) "
	     "local ok, v = coroutine.resume(co) say(tostring(ok), v)",
	     "inner;true x;", "waits in coroutines in coroutines, across pcall");
	says("for v in coroutine.wrap(function() for i = 1, 3 do c.sleep(i) coroutine.yield(i) end end) do say(v) end",
	     "1;2;3;", "a generator that waits");
	says("local co = coroutine.create(function() c.sleep(10) return 'done' end) "
	     "c.spawn(function() say(coroutine.status(co)) say(select(2, coroutine.resume(co))) "
	     "say((select(2, pcall(coroutine.close, co)))) end) say(select(2, coroutine.resume(co)))",
	     "normal;cannot resume non-suspended coroutine;cannot close a normal coroutine;done;",
	     "while it waits others can neither resume nor close it");
	says("local n = 0 for i = 1, 3 do c.spawn(function() coroutine.wrap(function() c.sleep(4 - i) n = n + 1 say(i, n) "
	     "end)() end) "
	     "end",
	     "3 1;2 2;1 3;", "tasks that wait in coroutines do not mix");
	says("local co = coroutine.wrap(function() error('after ' .. tostring(c.sleep(1)), 0) end) say((select(2, pcall(co))))",
	     "after true;", "an error after a wait");
	says("say((select(2, pcall(table.sort, {2, 1}, function() c.sleep(1) end))))",
	     "policy.lua:1: cannot wait here: a C function (sort, gsub, require or the like) is in between;",
	     "no wait in a comparator");
	says("say((select(2, pcall(table.sort, {2, 1}, function() coroutine.wrap(function() c.sleep(1) end)() "
	     "end))):match('cannot wait "
	     "here'))",
	     "cannot wait here;", "nor in a coroutine within one");
	says("local co local t = c.spawn(function() co = coroutine.create(function() local x <close> = setmetatable({}, "
	     "{__close = "
	     "function() say('inner') end}) c.sleep(100) end) local y <close> = setmetatable({}, {__close = function() "
	     "say('outer') "
	     "end}) coroutine.resume(co) end) c.sleep(1) t:cancel() say(coroutine.status(co)) say(select(2, "
	     "coroutine.resume(co)))",
	     "inner;outer;dead;cannot resume dead coroutine;", "cancelling a task ends the coroutine that waits in it");
	says("local t = c.spawn(function() return 1 end) say(coroutine.wrap(function() return t:await() end)())", "1;",
	     "await in a coroutine");
}

static void xpcalls(void)
{
	says("say(xpcall(function(a, b) return a, b end, print, 1, 2) and 'ok' or 'no') "
	     "say(select(2, xpcall(function(a, b) return a .. b end, print, 1, 2)))",
	     "ok;12;", "xpcall passes arguments and results");
	says("say(select(2, xpcall(error, function(e) return 'handled ' .. e end, 'x')))", "handled x;",
	     "and errors to its handler");
	says("say(tostring((xpcall(function() local x = nil; x() end, debug.traceback)))) "
	     "say((select(2, xpcall(error, debug.traceback, 'x')):match('stack traceback')))",
	     "false;stack traceback;", "debug.traceback as a handler");
	says("say(select(2, xpcall(function() c.sleep(1) return 'waited' end, print)))", "waited;", "a wait within");
	says("say(select(2, xpcall(function() c.sleep(1) error('x', 0) end, function(e) return e .. '!' end)))", "x!;",
	     "an error after a wait within");
	says("say((select(2, pcall(xpcall, print))))", "bad argument #2 to 'xpcall' (function expected, got no value);",
	     "misuse");
}

int main(void)
{
	as_in_lua();
	waits();
	xpcalls();
	return tap_done();
}
