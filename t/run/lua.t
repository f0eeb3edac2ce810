#!/usr/bin/perl
# lua.t: what of Lua's own library is replaced, to be bounded, does what the original does: the same script says the same in lua5.4.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my ($lua) = grep { -x } map { "$_/lua5.4" } split /:/, $ENV{PATH};
plan skip_all => 'lua5.4 is not installed' if !$lua;

my $SCRIPT = <<'L';
local function say(what, ...) print(what, ...) end
local function try(what, f, ...) say(what, pcall(f, ...)) end
local MANY = 600000
local big = {}
for i = 1, MANY do big[i] = i end

-- coroutines
local ended = coroutine.wrap(function() end)
ended()
try("a wrapped one that has ended", function() ended() end)
try("a wrapped one that fails", function() coroutine.wrap(function() error("x", 0) end)() end)
try("a wrapped one that yields", function() return coroutine.wrap(function(a) coroutine.yield(a, a + 1) end)(4) end)
local co
co = coroutine.create(function() return pcall(coroutine.close, co) end)
say("closed by itself", coroutine.resume(co))
say("closed when it has ended", coroutine.close(co), coroutine.status(co))
say("closed before it began", coroutine.close(coroutine.create(print)))
co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() say "closing" end }) coroutine.yield() end)
say("suspended", coroutine.resume(co), coroutine.status(co))
say("closed in between", coroutine.close(co), coroutine.status(co))
co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() error("no", 0) end }) coroutine.yield() end)
coroutine.resume(co)
say("closed with an error", coroutine.close(co))
co = coroutine.create(function() error("x", 0) end)
coroutine.resume(co)
say("closed after an error", coroutine.close(co))
say("no coroutine", pcall(coroutine.resume, nil) == false, pcall(coroutine.status, 1) == false, pcall(coroutine.wrap, 1) == false)
local outer = coroutine.create(function()
	local me = coroutine.running()
	local inner = coroutine.create(function() return coroutine.status(me), pcall(coroutine.close, me) end)
	say("seen from within", coroutine.resume(inner))
	return coroutine.resume(me)
end)
say("resumes itself", coroutine.resume(outer))
say("the main one", select(2, coroutine.running()))
co = coroutine.create(function(...) while true do coroutine.yield((...)) end end)
say("many arguments", coroutine.resume(co, table.unpack(big)))
local pack = table.pack(coroutine.resume(co, table.unpack(big)))
say("and more", pack.n, pack[1], pack[1] == false and pack[2])
local function crowded(...)
	local r = table.pack(coroutine.resume(coroutine.create(function() return table.unpack(big) end)))
	return r.n, r[1], r[1] == false and r[2], (...)
end
try("many results", function() return crowded(table.unpack(big)) end)

-- tables
local function list(n) local t = {} for i = 1, n do t[i] = (i * 7919) % 1009 end return t end
for _, n in ipairs { 0, 1, 2, 10, 100, 1000, 5000 } do
	local t = list(n)
	table.sort(t)
	say("sorted", n, table.concat(t, ",", 1, math.min(n, 12)))
	t = list(n)
	table.sort(t, function(a, b) return a > b end)
	say("the other way", n, t[1], t[n])
	t = list(n)
	table.sort(t, math.ult)
	say("by a function in C", n, t[1], t[n])
end
try("no order", function() table.sort({ 1, "x" }) end)
try("concat of nothing", function() return table.concat("abc") end)
try("concat of a hole", function() return table.concat({ 1, 2, nil, 4 }, "-", 1, 4) end)
try("concat from here", function() return table.concat({ 1, 2, 3, 4 }, "-", 2, 3) end)
try("concat of none", function() return table.concat({ 1, 2, 3, 4 }, "-", 3, 2) end)
local proxy = setmetatable({}, { __len = function() return 3 end, __index = function(_, i) return "p" .. i end })
try("concat of a proxy", function() return table.concat(proxy, "-") end)
try("unpack of a proxy", function() return table.unpack(proxy) end)
local kept = {}
local wide = setmetatable({}, { __len = function() return 3 end, __index = function(_, i) return i end, __newindex = function(_, i, v) kept[#kept + 1] = i .. "=" .. tostring(v) end })
try("insert into a proxy", function() table.insert(wide, 1, "new") return table.concat(kept, " ") end)
kept = {}
try("remove from a proxy", function() return table.remove(wide, 1), table.concat(kept, " ") end)
kept = {}
try("move into a proxy", function() table.move({ "a", "b" }, 1, 2, 2, wide) return table.concat(kept, " ") end)
try("insert past the end", function() table.insert({ 1 }, 5, 2) end)
try("insert of nothing", function() table.insert({ 1 }) end)
try("remove past the end", function() table.remove({ 1, 2, 3 }, 7) end)
say("remove of none", table.remove({}), table.remove({ 1, 2 }, 3))
try("unpack of too much", function() return table.unpack({}, 1, 1e8) end)
try("pack", function() local p = table.pack(1, nil, 3) return p.n, p[3] end)

-- strings
for _, s in ipairs { "", "a", "abc abc", "x=1, y=2", "((a)b)", "\0\1" } do
	say("find", s:find("b", 1, true), s:find "%a", s:match "(%a+)=(%d+)", s:match "%b()", s:gsub("%a", "<%0>"))
	for a, b in s:gmatch "(%a)(.?)" do say("gmatch", a, b) end
	say("rep", #s:rep(3, "-"), s:reverse(), s:byte(1, -1))
end
try("a bad pattern", function() return ("x"):find "[a" end)
try("a pattern too deep", function() return ("x"):rep(300000):match(("(x"):rep(40)) end)
try("a capture that is none", function() return ("x"):gsub("x", "%2") end)

-- chunks
say("load", load("return 1 + 1")(), load("return ...", "=c", "t")(7), load("x = 1", "=c", "t", {}) ~= nil)
say("no chunk", load "return return")
say("pieces", load(coroutine.wrap(function() coroutine.yield "return " coroutine.yield "42" end))())
say("no file", loadfile "/nonexistent/file.lua")
try("no file at all", function() dofile "/nonexistent/file.lua" end)
say("select", select("#", nil, nil), select(-1, 1, 2, 3), pcall(select, 0) == false)
say("xpcall", xpcall(function() error("x", 0) end, function(m) return m .. "!" end))
say("nested errors", pcall(pcall, error, "x"))

-- each, called as it should not be: the line is the script's
try("setmetatable", function() setmetatable(1, {}) end)
try("setmetatable2", function() setmetatable({}, 1) end)
try("protected", function() setmetatable(setmetatable({}, {__metatable = 1}), {}) end)
try("gc", function() collectgarbage("nope") end)
try("load", function() load(1) end)
try("require", function() require(nil) end)
try("rep", function() ("x"):rep("y") end)
try("rep2", function() string.rep() end)
try("find", function() ("x"):find() end)
try("format", function() ("%d"):format("x") end)
try("gsub", function() ("x"):gsub("x", 1, "y") end)
try("gsub", function() ("x"):gsub("x", true) end)
try("gmatch", function() string.gmatch() end)
try("match", function() ("x"):match("(") end)
try("match2", function() ("x"):match("%") end)
try("os.time", function() os.time("x") end)
try("os.date", function() os.date("%Ez") end)
try("next", function() next({}, "x") end)
try("select", function() select(0) end)
try("tonumber", function() tonumber("z", 99) end)
try("rawset", function() rawset(1, 2, 3) end)
try("co.wrap", function() coroutine.wrap(1) end)
try("co.create", function() coroutine.create(1) end)
try("co.status", function() coroutine.status(1) end)
try("co.close", function() coroutine.close(1) end)
try("pcall", function() pcall() end)
try("xpcall", function() xpcall(print) end)
try("error", function() error() end)
try("utf8", function() utf8.char(-1) end)
try("unpack", function() table.unpack({}, 1, 1e8) end)
try("move", function() table.move({}, 1, 2) end)
try("ipairs", function() ipairs() end)
try("tostring", function() tostring() end)
try("math", function() math.random(0, -1) end)
try("string.byte", function() ("x"):byte(1, 1e8) end)
try("string.char", function() string.char(256) end)
try("concat2", function() table.concat({{}}) end)
try("print", function() print(setmetatable({}, {__tostring = function() return 1 end})) end)
try("io.open", function() io.open("x", "zz") end)
try("io.lines", function() io.lines("/nonexistent") end)
try("dofile", function() dofile("/nonexistent") end)
try("pairs", function() pairs(nil) end)
L

my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
spew("$dir/script.lua", $SCRIPT);
my $want = `cd '$dir' && '$lua' script.lua 2>&1`;
is($?, 0, 'lua5.4 runs it');
cmp_ok(scalar(split /\n/, $want), '>', 120, 'and it says much');
my $r = curfew(policy => "$SCRIPT\nos.exit(0)\n", args => ['--log-level', 'warn']);
is($r->wait_exit, 0, 'curfew runs it') or diag $r->log;
my @want = split /\n/, $want =~ s/script\.lua/policy.lua/gr;
my @got = split /\n/, $r->output;
is(scalar @got, scalar @want, 'it says as much');
for my $i (0 .. $#want) {
	next if ($got[$i] // '') eq $want[$i];
	is($got[$i], $want[$i], "line @{[ $i + 1 ]}");
}
done_testing;
