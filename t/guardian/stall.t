#!/usr/bin/perl
# stall.t: S8.3, S2.17: a loop that hangs for ever in C is ended by the guardian; the other servers' hooks still run.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use Test::More;
use Time::HiRes qw(time sleep);

# io.open of a FIFO that nobody writes to is a C call that never returns.
my $HANG = 'curfew.log.info("> hangs") io.open("fifo")';
sub hanging {
	my ($lua, %o) = @_;
	return curfew(policy => <<LUA, child => sub { POSIX::mkfifo('fifo', 0600) or POSIX::_exit(97) }, %o);
local curfew = require "curfew"
local function trace(...) local f = io.open("traces", "a") f:write(table.concat({ ... }, " "), "\\n") f:close() end
$lua
LUA
}
my $SERVERS = <<LUA;
for _, name in ipairs { "a", "b", "c", "d" } do
	local s = curfew.server { name = name, start = function() end, stop = function() end }
	s:pre_stop(function(ctx) trace(name, ctx.mode) if name == HANGS then $HANG end end)
	s:pre_stop(function() trace(name .. "2") end)
	if name == "a" then s:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" UP() end) end) end
end
LUA
sub sorted { return join ' ', sort map { (split)[0] } traces($_[0]) }

# at the margin
for my $which ('a', 'b', 'd') {
	my $r = hanging("local HANGS, UP = '$which', print\n$SERVERS", before => ['--exit-timeout', '2s']);
	wait_started($r);
	$r->signal('TERM');
	is($r->wait_exit, 255, "S8.3: $which hangs in C in its pre_stop: 255");
	is(sorted($r), 'a a2 b b2 c c2 d d2', "S8.3: $which: every other hook still runs, none twice") or diag $r->log;
	cmp_ok($r->took, '<', 2.8, "S8.3: $which: within the same deadline");
	cmp_ok($r->took, '>', 1.4, "S8.3: $which: not before the margin");
	is(join(' ', $r->leftovers), '', "S8.3: $which: nothing is left");
}
# two that hang: the one that does the rest hangs too, and another does its rest
{
	my $r = hanging("local HANGS, UP = 'b', print\n$SERVERS\n" . <<LUA, before => ['--exit-timeout', '4s', '--stop-margin', '1s']);
local e = curfew.server { name = "e", start = function() end, stop = function() end }
e:pre_stop(function() trace "e" $HANG end)
e:pre_stop(function() trace "e2" end)
local f = curfew.server { name = "f", start = function() end, stop = function() end }
f:pre_stop(function() trace "f" end)
LUA
	wait_started($r);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S8.2: again with the rest, should that process hang too: 255');
	is(sorted($r), 'a a2 b b2 c c2 d d2 e e2 f', 'S8.2: all of them') or diag $r->log;
	cmp_ok($r->took, '<', 5, 'S8.2: within the same deadline');
}
# at stall_limit, with nobody asking for a stop
{
	my $r = hanging("curfew.configure { stall_limit = '500ms' }\nlocal HANGS, UP = 'none', function() $HANG end\n$SERVERS\n" .
		'curfew.on("stall", function(t) trace("rule", t.name) end)');
	$r->wait_log(qr/> hangs/);
	my $hung = time;
	is($r->wait_exit, 255, 'S2.17: a loop that does not turn for stall_limit: 255');
	is(join(', ', sort(traces($r))), 'a abort, a2, b abort, b2, c abort, c2, d abort, d2, rule stall', 'S2.17: the trigger is stall, its rule is asked, hooks run') or diag $r->log;
	like($r->log, qr/exiting without stopping \(state started\): the loop stalled/, 'S3.6: and it is logged');
	cmp_ok($r->{ended} - $hung, '<', 4, 'S2.17: soon after');
}
# an idle loop is not stalled, nor one that is busy in Lua
{
	my $r = hanging("curfew.configure { stall_limit = '200ms' }\nlocal HANGS, UP = 'none', function() curfew.spawn(function() for i = 1, 20 do local t = os.clock() while os.clock() - t < 0.05 do end curfew.sleep(0) end curfew.log.info('> busy') end) end\n$SERVERS");
	$r->wait_log(qr/> busy/);
	sleep 1.5; # several limits: nothing happens in an idle process that could be waited for
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S2.17: busy, then idle for several limits: no stall');
	unlike($r->log, qr/stall/, 'S2.17: no word of it');
}
# stopped by somebody
{
	my $r = hanging("curfew.configure { stall_limit = '500ms' }\nlocal HANGS, UP = 'none', print\n$SERVERS");
	my $o = wait_started($r);
	kill 'STOP', $o;
	is($r->wait_exit, 255, 'S2.17: an orchestrator under SIGSTOP is stalled too');
	is(sorted($r), 'a a2 b b2 c c2 d d2', 'S2.17: its hooks run') or diag $r->log;
}
# the third signal
{
	my $r = hanging("local HANGS, UP = 'none', function() $HANG end\n$SERVERS", before => ['--exit-timeout', '20s']);
	$r->wait_log(qr/> hangs/);
	for (1 .. 3) {
		$r->signal('TERM');
		sleep 0.3; # signals that follow too closely are one
	}
	is($r->wait_exit, 255, 'S2.19: a third signal while the loop is stalled: 255');
	cmp_ok($r->took, '<', 5, 'S2.19: at once');
	is(sorted($r), 'a a2 b b2 c c2 d d2', 'S8.3: and the hooks run') or diag $r->log;
}
# without a guardian there is none of this
{
	my $r = hanging("local HANGS, UP = 'b', print\n$SERVERS", before => ['--exit-timeout', '1s', '--no-guardian']);
	$r->wait_log(qr/> up/);
	is(scalar(children($r->{pid})), 0, '--no-guardian: one process');
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S4.8: --no-guardian: the watchdog ends it');
	unlike(sorted($r), qr/d2/, 'S4.12: --no-guardian: the exception that is named');
}

done_testing;
