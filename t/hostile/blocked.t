#!/usr/bin/perl
# blocked.t: C code that never returns, in every place that code can run. No limit of Lua's reaches it: the guardian ends the process
# (S2.17, S8.3), and the pre_stop hooks of all servers that had started run in a fresh one (S4.12, S8.2).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $SLACK = $ENV{CURFEW_PATIENCE} ? 40 : 8;

# Who opens this FIFO waits for a writer that never comes. In the fresh process nothing blocks: the file "again" tells it.
my $HEAD = <<'LUA';
local curfew = require "curfew"
curfew.configure { stall_limit = "300ms", exit_timeout = "5s", load_limit = "1s" }
local function mark(text) curfew.log.warn("> " .. text) end
local function nothing() end
local function block() mark "blocks" io.open("nobody") mark "NEVER" end
local a = curfew.server { name = "a", start = nothing }
local b = curfew.server { name = "b", start = nothing }
a:pre_stop(function() mark "a" end)
b:pre_stop(function() mark "b" end)
LUA
sub http { return "local w = curfew.http { name = 'w', listen = '127.0.0.1:0', routes = { ['GET /'] = function() $_[0] end } } curfew.start() mark('at ' .. w.address)" }

# [where, script, how it comes to run: 'itself', 'TERM' or 'GET']
my @places = (
	['a pre_stop hook', 'a:pre_stop(block) curfew.start() mark "READY"', 'TERM'],
	['a post_stop hook', 'a:post_stop(block) curfew.start() mark "READY"', 'TERM'],
	['a global hook', 'curfew.pre_stop(block) curfew.start() mark "READY"', 'TERM'],
	['a stop function', 'curfew.server { name = "h", start = nothing, stop = block } curfew.start() mark "READY"', 'TERM'],
	['a rule', 'curfew.on("SIGTERM", block) curfew.start() mark "READY"', 'TERM'],
	['a rule for everything', 'curfew.on("*", function(t) if t.name == "SIGTERM" then block() end end) curfew.start() mark "READY"', 'TERM'],
	['an event', 'curfew.subscribe("stopping", block) curfew.start() mark "READY"', 'TERM'],
	['a handler', http('block()'), 'GET'],
	['what a handler began', http('curfew.after(0, block) curfew.sleep(60)'), 'GET'],
	['a timer', 'curfew.start() curfew.after("1ms", block)', 'itself'],
	['a repeated timer', 'curfew.start() curfew.every("1ms", block)', 'itself'],
	['a task', 'curfew.start() curfew.spawn(block)', 'itself'],
	['a callback of exec', 'curfew.start() curfew.exec({ "true" }, block)', 'itself'],
	['a comparator', 'curfew.start() curfew.spawn(function() table.sort({ 2, 1 }, block) end)', 'itself'],
	['a coroutine in a coroutine', 'curfew.start() curfew.spawn(function() coroutine.wrap(coroutine.wrap(block))() end)', 'itself'],
	['a protected call', 'curfew.start() curfew.spawn(function() while true do pcall(block) end end)', 'itself'],
	['the handler of an error', 'curfew.start() curfew.spawn(function() xpcall(error, block) end)', 'itself'],
	['__close', 'curfew.start() curfew.spawn(function() local x <close> = setmetatable({}, { __close = block }) end)', 'itself'],
	['a finalizer', 'curfew.start() setmetatable({}, { __gc = block }) collectgarbage()', 'itself'],
	['the main script, later', 'curfew.start() block()', 'itself'],
	['a post_start hook', 'a:post_start(function() curfew.after(0, block) end) curfew.start()', 'itself'],
);
for (@places) {
	my ($where, $body, $how) = @$_;
	my $r = curfew(policy => $HEAD . $body);
	my $s;
	if ($how eq 'GET') {
		my $at = $r->wait_log(qr/> at (\S+)/);
		$s = connect_to($at);
		print {$s} "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	} elsif ($how eq 'TERM') {
		$r->wait_log(qr/> READY/);
		$r->signal('TERM');
	}
	my $code = eval { $r->wait_exit($SLACK * 3) } // 'never';
	is($code, 255, "S2.17, S4.11: C blocks in $where: 255") or diag $r->log;
	is(join(' ', sort grep { /^[ab]$/ } @{ $r->marks }), 'a b', "S4.12: $where: the hooks of the servers ran, once each") or diag $r->log;
	unlike($r->log, qr/NEVER/, "$where: it never returned");
	like($r->log, qr/exiting without stopping \(state \w+\): the loop stalled/, "S3.6: $where: the log says why");
	cmp_ok($r->took, '<', $SLACK, "$where: in time");
	is(join(' ', $r->left_behind), '', "$where: nothing is left");
}

# Where no server has started there is nothing to run, and nothing else may hold the end.
for my $case (['the main script, first', 'block()'], ['a start function', 'curfew.server { name = "h", start = block, after = { a, b } } curfew.start()', 'a b'],
	['a pre_start hook', 'curfew.server { name = "h", start = nothing, after = { a, b } }:pre_start(block) curfew.start()', 'a b']) {
	my ($where, $body, $hooks) = @$case;
	my $r = curfew(policy => $HEAD . $body);
	is(eval { $r->wait_exit($SLACK * 3) } // 'never', 255, "S2.17: C blocks in $where: 255") or diag $r->log;
	is(join(' ', sort grep { /^[ab]$/ } @{ $r->marks }), $hooks // '', "S4.12: $where: hooks are owed to what had started, and to nothing else") or diag $r->log;
	cmp_ok($r->took, '<', $SLACK, "$where: in time");
	is(join(' ', $r->left_behind), '', "$where: nothing is left");
}

done_testing;
