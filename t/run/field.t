#!/usr/bin/perl
# field.t: what users of other stop managers suffer from, line by line, and that it is not so here.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Time::HiRes qw(time sleep);
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
LUA
sub run_it { my ($lua, %o) = @_; return curfew(policy => $HEAD . $lua, %o) }
sub marks_of { return join ', ', @{ $_[0]->marks } }

# kubernetes#115817: a hung pre-stop plus an ignored TERM take twice the grace. One absolute deadline; no phase restarts it.
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '1s']);
local p = curfew.process { name = "p", stdout = "log", command = { "sh", "-c", "trap '' TERM; echo up; while :; do sleep 0.05; done" }, stop = { { signal = "TERM", wait = "30s" } } }
p:pre_stop(function() mark "hung" curfew.sleep("600ms") mark "let go" end)
LUA
	$r->wait_log(qr/\bup\b/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'kubernetes#115817: a slow hook and an ignored TERM: 255');
	cmp_ok($r->took, '<', 1 + ($ENV{CURFEW_PATIENCE} ? 10 : 2), 'kubernetes#115817: within one exit timeout');
	is(join(' ', $r->left_behind), '', 'baseimage-docker#506: what ignored TERM is gone');
}

# Horust#58, pebble#410: TERM while starting hangs or orphans. A signal at every edge; S4.12 in each.
{
	my $policy = <<'LUA';
for i, name in ipairs { "a", "b", "c" } do
	local s = curfew.server {
		name = name,
		after = i > 1 and { ({ "a", "b", "c" })[i - 1] } or nil,
		start = function() curfew.sleep("5ms") mark(name .. " up") end,
		stop = function() curfew.sleep("5ms") mark(name .. " down") end,
		abort = function() mark(name .. " cut") end,
	}
	s:pre_stop(function() mark(name .. " pre") curfew.sleep("3ms") end)
end
curfew.process { name = "child", after = { "a" }, command = { "sleep", "99" } }
curfew.server { name = "last", after = { "c", "child" }, start = function() mark "LAST" curfew.after("30ms", curfew.stop) end }
LUA
	my ($bad, $runs, %codes) = (0, 60);
	for my $i (1 .. $runs) {
		my $r = run_it($policy);
		sleep $i * 0.0015;
		$r->signal('TERM');
		if ($i % 3 == 0) { sleep 0.004; $r->signal('HUP') }
		my $code = $r->wait_exit;
		$codes{$code}++;
		my %n;
		$n{$_}++ for @{ $r->marks };
		for my $s (qw(a b c)) {
			my $owed = $n{"$s up"} ? 1 : 0;
			# a start that an abort overtook may be up without having been seen as started
			next if ($n{"$s pre"} // 0) == $owed or ($owed and !$n{"$s pre"} and $n{"$s cut"} and $r->log !~ /\b$s: started/);
			$bad++;
			diag "run $i: $s\n" . $r->log;
		}
		my @left = $r->left_behind;
		if (@left) { $bad++; diag "run $i leaves @left" }
		if ($code != 0 and $code != 1 and $code != 143 and $code != 129) { $bad++; diag "run $i: code $code\n" . $r->log }
	}
	is($bad, 0, "Horust#58, pebble#410, S4.12: TERM at $runs moments of start, running and stop: hooks once each, nothing left");
	note join ', ', map { "code $_: $codes{$_}" } sort keys %codes;
}

# circus#746, supervisor#520: an edge means "fully stopped", not "signalled"
{
	my $r = run_it(<<'LUA');
local db = curfew.process { name = "db", stdout = "log", command = { "sh", "-c", "trap 'echo db-term; exit 0' TERM; while :; do sleep 0.02; done" } }
local app = curfew.process { name = "app", stdout = "log", after = { db }, command = { "sh", "-c", "trap 'sleep 0.3; echo app-done; exit 0' TERM; echo up; while :; do sleep 0.02; done" } }
LUA
	$r->wait_log(qr/\bup\b/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'circus#746: an order with waiting');
	like($r->log, qr/app-done.*db-term/s, 'circus#746: db hears TERM when app has ended, not when it was told to');
}

# circus#540: the control plane freezes during a stop. Here: requests and timers are served while servers stop.
{
	my $r = run_it(<<'LUA');
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET /"] = function() return curfew.state end } }
local slow = curfew.server { name = "slow", after = { web }, start = function() end, stop = function() mark "stopping" curfew.sleep("700ms") end }
slow:post_start(function() curfew.log.info("READY " .. web.address) end)
LUA
	my $at = '127.0.0.1:' . $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/);
	$r->signal('TERM');
	$r->wait_log(qr/> stopping/);
	my ($status, $body) = http_get($at, '/');
	like("$status $body", qr{^200 (stopping|prestopped)$}, 'circus#540: nothing blocks the loop during a stop');
	is($r->wait_exit, 0, 'circus#540: and it ends');
}

# circus#917, pebble#70: only a signal can stop. supervisor#712: the main child died, the container stays up or ends with 0.
{
	my $r = run_it('curfew.process { name = "main", command = { "sh", "-c", "exit 0" } }');
	is($r->wait_exit, 255, 'supervisor#712: a main child that ends is no quiet end: 255');
	$r = run_it('curfew.process { name = "main", command = { "sh", "-c", "exit 3" } } curfew.on("closed", function(t) return curfew.graceful(t.code) end)');
	is($r->wait_exit, 3, 'supervisor#712: the code by policy');
}

# overmind#29: cause and code of the end are lost
{
	my $r = run_it(<<'LUA');
local s = curfew.server { name = "s", start = function() mark "up" end, stop = function() curfew.sleep("300ms") end }
s:pre_stop(function() mark "pre" end)
LUA
	$r->wait_log(qr/> up/);
	$r->signal('TERM');
	$r->wait_log(qr/> pre/);
	$r->signal('INT');
	is($r->wait_exit, 0, 'overmind#29: two causes');
	like($r->log, qr/because of SIGTERM/, 'overmind#29: the first one is kept and shown');
	unlike($r->log, qr/because of SIGINT/, 'overmind#29: the later one does not replace it');
}

# docker/compose#1729: the second Ctrl-C is ignored while busy
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '60s']);
curfew.on("SIGINT", function(t) if t.count > 1 then return curfew.abort(130) end end)
local s = curfew.server { name = "s", start = function() mark "up" end, stop = function() mark "busy" curfew.sleep("50s") end }
LUA
	$r->wait_log(qr/> up/);
	$r->signal('INT');
	$r->wait_log(qr/> busy/);
	$r->signal('INT');
	is($r->wait_exit, 130, 'compose#1729: the second Ctrl-C aborts at once');
}

# s6-overlay#628: the grace is slept through though all have gone
{
	my $r = run_it('curfew.process { name = "p", command = { "sleep", "99" }, stop = { { signal = "TERM", wait = "9s" } } }:post_start(function() mark "up" end)', before => ['--exit-timeout', '10s']);
	$r->wait_log(qr/> up/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 's6-overlay#628: all are gone');
	cmp_ok($r->took, '<', 5, 's6-overlay#628: and no grace is slept through');
}

# process-compose PR#521: the leader is gone, the group lives on: it is waited for, it has had TERM too
{
	my $r = run_it(<<'LUA');
curfew.process { name = "p", stdout = "log", command = { "sh", "-c", "(trap 'sleep 0.3; echo flushed; exit 0' TERM; echo up; while :; do sleep 0.02; done) & trap 'exit 0' TERM; while :; do sleep 0.02; done" } }
LUA
	$r->wait_log(qr/\bup\b/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'process-compose PR#521: the leader goes first');
	like($r->log, qr/flushed/, 'process-compose PR#521: the rest of its group had its time');
}

# process-compose#354, systemd#12262: who is waited for? systemd#3371: no blame for a slow stop
{
	my $r = run_it(<<'LUA', before => ['--timeline', 'always', '--exit-timeout', '1s']);
local s = curfew.server { name = "lazy", start = function() mark "up" end, stop = function() curfew.sleep("1h") end }
s:pre_stop(function() curfew.sleep("50ms") end, { name = "say goodbye" })
LUA
	$r->wait_log(qr/> up/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'systemd#3371: a server that does not stop');
	my ($timeline) = $r->log =~ /(stop took .*)/s;
	like($timeline, qr/lazy/, 'systemd#3371: the timeline names it');
	like($timeline, qr/say goodbye/, 'systemd#3371: and its hooks');
	like($timeline, qr/cut/, 'systemd#3371: and says that it was cut');
	like($r->log, qr/lazy: cut off at the margin/, 'process-compose#354: so does the log');
}

# lua-nginx-module#1279: a timer blocks the exit
{
	my $r = run_it('curfew.every("1h", print) curfew.spawn(function() curfew.sleep("1h") end) curfew.server { name = "s", start = function() mark "up" end }');
	$r->wait_log(qr/> up/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'lua-nginx-module#1279: timers and tasks block no exit');
	cmp_ok($r->took, '<', 5, 'lua-nginx-module#1279: not even for long');
}

done_testing;
