#!/usr/bin/perl
# exit_calls.t: S5, os.exit leaves for good: not one more statement, and nothing in Lua can hold it.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $FRAME = <<'LUA';
local curfew = require "curfew"
curfew.configure { hook_cpu_limit = "20s" }
local function mark(text) curfew.log.info("> " .. text) end
local s = curfew.server { name = "s", start = function() end, stop = function() mark "stop" end }
s:pre_stop(function() mark "pre" end)
s:post_start(function()
	curfew.after(0, function()
		mark "before"
		%s
		mark "AFTER"
	end)
end)
LUA

# Every one asks for code 3 (abort): "before" and "pre" are all there is to be seen.
my @snippets = (
	['S5.1: plainly', 'os.exit(3)'],
	['S5.2: in an endless loop', 'while true do os.exit(3) end'],
	['S5.2: in pcall, then an endless loop', 'pcall(os.exit, 3); while true do end'],
	['S5.2: in pcall of a function', 'pcall(function() os.exit(3) end) mark "HELD"'],
	['S5.2: in xpcall with a handler', 'xpcall(function() os.exit(3) end, function(e) mark "HANDLER" return e end) mark "HELD"'],
	['S5.2: pcall in a loop', 'while true do pcall(function() os.exit(3) end) end'],
	['S5.2: in nested pcalls', 'pcall(pcall, pcall, os.exit, 3) mark "HELD"'],
	['S5.1: in a coroutine', 'coroutine.resume(coroutine.create(function() os.exit(3) end)) mark "HELD"'],
	['S5.1: in coroutine.wrap', 'coroutine.wrap(function() os.exit(3) mark "INNER" end)() mark "HELD"'],
	['S5.1: in coroutines within coroutines', 'coroutine.wrap(function() coroutine.wrap(function() pcall(os.exit, 3) end)() mark "MIDDLE" end)() mark "HELD"'],
	['S5.2: held by a coroutine wrapper in pcall', 'pcall(coroutine.wrap(function() os.exit(3) end)) while true do end'],
	['S5.2: in a __close handler', 'do local x <close> = setmetatable({}, { __close = function() os.exit(3) end }) end mark "HELD"'],
	['S5.2: with a __close handler that loops on the way', 'do local x <close> = setmetatable({}, { __close = function() while true do end end }) os.exit(3) end mark "HELD"'],
	['S5.2: in a metamethod', 'local t = setmetatable({}, { __index = function() os.exit(3) end }) local x = t.x mark "HELD"'],
	['S5.2: in an iterator', 'for _ in function() os.exit(3) end do end mark "HELD"'],
	['S5.2: in a sort comparator', 'table.sort({ 3, 1, 2 }, function() os.exit(3) end) mark "HELD"'],
	['S5.2: in a sort comparator in pcall', 'pcall(table.sort, { 3, 1, 2 }, function() os.exit(3) end) while true do end'],
	['S5.2: in a gsub callback', 'string.gsub("abc", ".", function() os.exit(3) end) mark "HELD"'],
	['S5.2: in a gsub callback in pcall in a loop', 'while true do pcall(string.gsub, "abc", ".", function() os.exit(3) end) end'],
	['S5.2: in __tostring', 'tostring(setmetatable({}, { __tostring = function() os.exit(3) end })) mark "HELD"'],
	['S5.2: in a load reader', 'load(function() os.exit(3) end) mark "HELD"'],
	['S5.2: in a message handler', 'xpcall(function() error "x" end, function() os.exit(3) end) mark "HELD"'],
	# finalizers are run one by one when the script that collected them waits
	['S5.2: in a finalizer', 'do setmetatable({}, { __gc = function() os.exit(3) end }) end collectgarbage() curfew.sleep("1h")'],
	['S5.2: in a task that others await', 'curfew.spawn(function() os.exit(3) mark "TASK" end):await() mark "HELD"'],
	['S5.2: in a task that a task awaits that others await', 'curfew.spawn(function() curfew.spawn(function() os.exit(3) end):await() mark "MIDDLE" end):await() mark "HELD"'],
	['S5.2: in one of all', 'curfew.all { curfew.spawn(function() curfew.sleep("1ms") os.exit(3) end), curfew.spawn(function() curfew.sleep("1h") end) } mark "HELD"'],
	['S5.2: through curfew.exit', 'pcall(curfew.exit, 3) mark "HELD"'],
);
for my $s (@snippets) {
	my ($what, $code) = @$s;
	my $r = curfew(policy => sprintf($FRAME, $code));
	my $got = $r->wait_exit;
	my $good = is("$got: " . join(', ', @{ $r->marks }), '3: before, pre', $what);
	diag $r->log unless $good;
}

# The main script is a context like any other; no server was started yet.
for my $s (['S5.2: while true do os.exit(1) end', 'while true do os.exit(1) end', 1], ['S5.2: pcall(os.exit, 1); while true do end', 'pcall(os.exit, 1); while true do end', 1], ['S5.1: os.exit(0) in the main script', 'os.exit(0)', 0]) {
	my ($what, $code, $want) = @$s;
	my $r = curfew(policy => $code);
	is($r->wait_exit, $want, "$what, as the whole script");
}

# S4.9: os.exit in hooks
{
	my $policy = <<'LUA';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
for _, name in ipairs { "a", "b" } do
	local s = curfew.server { name = name, start = function() end, stop = function() mark(name .. " stop") end }
	s:pre_stop(function() mark(name .. " pre") if name == "a" then os.exit(%s) mark "AFTER" end end)
	s:post_stop(function() mark(name .. " post") end)
	if name == "b" then s:after "a" s:post_start(function() curfew.after(0, curfew.stop) end) end
end
LUA
	my $r = curfew(policy => sprintf($policy, 0));
	is($r->wait_exit, 0, 'S4.9: os.exit(0) in a hook completes it');
	is(join(', ', @{ $r->marks }), 'b pre, b stop, b post, a pre, a stop, a post', 'S4.9: and the stop goes on');
	$r = curfew(policy => sprintf($policy, 4));
	is($r->wait_exit, 4, 'S4.9: os.exit(4) in a hook is an abort with its code');
	is(join(', ', @{ $r->marks }), 'b pre, b stop, b post, a pre', 'S4.9, S4.5: no drain and no post_stop any more');
}

# an exit call in a rule: the rule has no answer, the exit is a trigger of its own
{
	my $r = curfew(policy => 'local curfew = require "curfew" curfew.on("SIGTERM", function() os.exit(3) end) curfew.server { name = "s", start = function() curfew.log.info("READY") end, stop = function() end }');
	$r->wait_log(qr/READY/);
	$r->signal('TERM');
	is($r->wait_exit, 3, 'S2.12, S5.1: os.exit in a rule');
}

done_testing;
