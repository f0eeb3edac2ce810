#!/usr/bin/perl
# mirror.t: S8.1: what the guardian is while all is well: it passes signals on, reaps, mirrors the exit code, and is small.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use Test::More;
use Time::HiRes qw(time sleep);

my $UP = <<'LUA';
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function() curfew.log.info "> pre" end)
s:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" end) end)
LUA

for my $code (0, 1, 7, 254, 255) {
	my $r = curfew(policy => qq{require "curfew".exit($code)});
	is($r->wait_exit, $code, "S8.1: exit code $code is mirrored");
}
is(curfew(policy => 'error "x"')->wait_exit, 2, 'S8.1: a policy that does not load: 2');
is(curfew(command => ['sh', '-c', 'kill -9 $$'])->wait_exit, 137, 'S2.15: a command that was killed: 137');
is(curfew(policy => 'require "curfew".deactivate() os.exit(3)')->wait_exit, 3, 'S3.5: after deactivate() its end is its own');

# signals
{
	my $r = curfew(policy => $UP . <<'LUA');
for _, name in ipairs { "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGALRM", "SIGHUP", "SIGVTALRM", "SIGURG", "SIGTTIN", "SIGIO" } do
	curfew.on(name, function(t) curfew.log.info("> " .. name .. t.count) return curfew.ignore end)
end
LUA
	wait_started($r);
	for my $sig (qw(USR1 USR2 WINCH ALRM HUP VTALRM URG IO USR1)) {
		my $n = @{ $r->marks };
		$r->signal($sig);
		wait_until(sub { @{ $r->marks } > $n }) or diag "SIG$sig did not come";
	}
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S8.1: signals are passed on');
	is(join(' ', @{ $r->marks }), 'up SIGUSR11 SIGUSR21 SIGWINCH1 SIGALRM1 SIGHUP1 SIGVTALRM1 SIGURG1 SIGIO1 SIGUSR12 pre', 'S8.1: each once');
}
# at once: before anybody catches anything
for my $i (1 .. 10) {
	my $r = curfew(policy => $UP);
	wait_until(sub { children($r->{pid}) });
	$r->signal('TERM');
	my $code = $r->wait_exit;
	is($code, 0, "S8.1: a signal in the first moment is held until it can be decided on ($i)") or diag $r->log;
}
{
	my $r = curfew(policy => $UP, child => sub { $SIG{HUP} = 'IGNORE' });
	wait_started($r);
	$r->signal('HUP');
	sleep 0.2; # nothing is to happen
	ok(!$r->ended_now, 'S2.2: under nohup SIGHUP stays ignored');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S2.2: and SIGTERM is not');
}
# what it is
{
	my $r = curfew(policy => $UP . <<'LUA', child => sub { $ENV{LISTEN_PID} = $ENV{WATCHDOG_PID} = $$ });
curfew.log.info("> pids " .. tostring(os.getenv("LISTEN_PID")) .. " " .. tostring(os.getenv("WATCHDOG_PID")))
LUA
	wait_started($r);
	is(scalar(children($r->{pid})), 1, 'S8.1: one orchestrator below it');
	is(scalar(@{ [ glob "/proc/$r->{pid}/task/*" ] }), 1, 'S8.1: no thread');
	my ($pids) = grep { /^pids/ } @{ $r->marks };
	is($pids, 'pids nil nil', 'S10.2: LISTEN_PID and WATCHDOG_PID are for curfew; t/run/systemd.t: rewritten, they reach it');
	my $pss = 0;
	$pss += $1 for (slurp("/proc/$r->{pid}/smaps_rollup") // '') =~ /^Pss:\s*(\d+)/mg;
	SKIP: {
		skip 'an instrumented binary is no measure', 1 if $ENV{SAN} || !$pss;
		cmp_ok($pss, '<', 1024, "S8.1: it adds less than 1 MB ($pss kB)");
	}
	$r->signal('TERM');
	$r->wait_exit;
	$r = curfew(policy => 'require "curfew".log.info("> " .. tostring(os.getenv("LISTEN_PID")))', child => sub { $ENV{LISTEN_PID} = '1' });
	$r->wait_exit;
	is($r->marks->[0], 'nil', 'S10.2: nor does a script see those for another process');
}
# the guardian's own death
{
	my $r = curfew(policy => $UP . 's:pre_stop(function(ctx) curfew.fs.write("told", ctx.trigger.name .. " " .. ctx.mode) end)');
	my $o = wait_started($r);
	kill 'KILL', $r->{pid};
	$r->wait_exit;
	ok(wait_until(sub { !$r->leftovers }), 'S8: the guardian is killed: the orchestrator ends too');
	is(slurp("$r->{dir}/told"), 'SIGTERM graceful', 'S8: as for SIGTERM') or diag $r->log;
	like($r->log, qr/the guardian is gone/, 'S8: and says so');
}
unless ($ENV{SAN}) { # which catches it
	my $r = curfew(policy => $UP);
	wait_started($r);
	$r->signal('SEGV');
	is($r->wait_exit, 139, 'S8.1: SIGSEGV sent to the guardian is passed on, and is a crash');
	is(join(' ', @{ $r->marks }), 'up pre', 'S8.2: with its hooks');
}
# orphans, here as process 1
SKIP: {
	skip 'no namespaces', 3 if system('unshare -fpr --mount-proc true 2>/dev/null');
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	my $bin = $BIN =~ m{^/} ? $BIN : POSIX::getcwd() . "/$BIN";
	spew("$dir/policy.lua", <<'LUA');
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function() curfew.log.info "> pre" end)
s:post_start(function()
	curfew.exec { "sh", "-c", "setsid sh -c 'sleep 0.05' & exit 0" }
	curfew.sleep(0.3)
	local zombies = curfew.exec { "sh", "-c", "cat /proc/[0-9]*/stat | grep -c ') Z '" }.stdout:gsub("%s", "")
	curfew.log.info("> zombies " .. zombies)
	curfew.exec { "sh", "-c", "setsid sleep 99 & kill -9 $PPID" }
end)
LUA
	my $out = `cd $dir && timeout 30 unshare -fpr --mount-proc $bin run policy.lua 2>&1; echo code \$?`;
	like($out, qr/> zombies 0/, 'PID 1: orphans are reaped');
	like($out, qr/code 137/, 'PID 1: the orchestrator crashes: its code') or diag $out;
	like($out, qr/> pre/, 'PID 1: S8.2: and the hooks run');
}

done_testing;
