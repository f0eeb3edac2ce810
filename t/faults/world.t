#!/usr/bin/perl
# world.t: the world around fails: no descriptor is left, the disk is full, nobody hears the log, the terminal stands still, the clock
# leaps, signals come by the ten thousand (S4.8, S4.11, S4.12). In all of it the hooks run and the end comes, with a code that is defined.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Fcntl;
use Guarded;
use POSIX ();
use Test::More;
use Time::HiRes qw(time sleep);

my $PROGRAM = $BIN =~ m{^/} ? $BIN : POSIX::getcwd() . "/$BIN";

# Two servers and a child; hooks tell on disk as well as in the log. $more: what else the script does.
sub policy {
	my ($more) = @_;
	return <<"LUA";
local curfew = require "curfew"
curfew.configure { exit_timeout = "3s", start_timeout = "5s" }
local function mark(text)
  curfew.log.info("> " .. text)
  local f <close> = io.open("marks", "a")
  if f then f:write(text, "\\n") end
end
local web = curfew.http { name = "web", listen = "unix:web.sock", idle_grace = "1ms", routes = { ["GET /"] = function() return "x" end } }
local fun = curfew.server { name = "fun", start = function() end, stop = function() end }
local job = curfew.process { name = "job", command = { "sleep", "600" } }
for _, s in ipairs { web, fun, job } do
  s:post_start(function() mark("up " .. s.name) end)
  s:pre_stop(function() mark("pre_stop " .. s.name) end)
end
$more
LUA
}

sub marks_on_disk { my ($r) = @_; return sort grep { /^pre_stop/ } split /\n/, (slurp("$r->{dir}/marks") // '') }
my $ALL = 'pre_stop fun, pre_stop job, pre_stop web';

sub wait_up {
	my ($r) = @_;
	return wait_until(sub { 3 == (() = (slurp("$r->{dir}/marks") // '') =~ /^up /mg) or $r->ended_now }) && !$r->ended_now;
}

# By way of a shell that has prepared the world.
sub run_by {
	my ($shell, %o) = @_;
	my $line = $shell =~ /%s/ ? $shell =~ s/%s/"\$0" run @{$o{args} || []} policy.lua/r : qq{$shell; exec "\$0" run @{$o{args} || []} policy.lua};
	return curfew(policy => policy($o{more} // ''), child => sub { exec 'sh', '-c', $line, $PROGRAM or POSIX::_exit(97) }, env => $o{env});
}

# ---- descriptors ----

# From the first up to as many as it needs: refused with a word of why, or done in full
SKIP: {
	skip 'a sanitizer has descriptors of its own', 2 if $ENV{SAN};
	my ($refused, $served, @bad) = (0, 0);
	for my $n (3 .. 40) {
		my $r = run_by("ulimit -n $n");
		my $up = wait_until(sub { (slurp("$r->{dir}/marks") // '') =~ /up job/ && $r->log =~ /started 3 servers/ or $r->ended_now });
		$r->signal('TERM') unless $r->ended_now;
		my $code = eval { $r->wait_exit } // 'none';
		my @ran = marks_on_disk($r);
		if ($code eq '0' && "@ran" eq $ALL =~ s/,//gr) {
			$served++;
		} elsif ($code =~ /^(?:1|2|127)$/ && $r->log =~ /\S/) {
			$refused++;
		} else {
			push @bad, "$n: code $code, ran @ran: " . $r->log;
		}
		my @left = $r->left_behind;
		push @bad, "$n: left @left" if @left;
		Curfew::forget();
	}
	is("@bad", '', 'S4.11: with 3 to 40 descriptors: refused with a code and a word, or done in full');
	ok($refused && $served, "both of these there were ($refused refused, $served served)");
}

# They run out while it serves; hooks, a reload and a stop are still to come
for (
	['while it serves', 'local hold = {} job:post_start(function() for i = 1, 100 do hold[i] = io.open("policy.lua") end curfew.log.info "> none left" end)'],
	['in a pre_stop hook', 'local hold = {} web:pre_stop(function() for i = 1, 100 do hold[i] = io.open("policy.lua") end curfew.log.info "> none left" end)'],
) {
	my ($when, $more) = @$_;
	my $r = run_by('ulimit -n 60', more => "$more curfew.on('SIGHUP', curfew.reload)");
	ok(wait_up($r), "descriptors run out $when: it runs");
	if ($when =~ /serves/) {
		$r->wait_log(qr/> none left/);
		kill 'HUP', $r->{pid};
		$r->wait_log(qr/(reload: (?:refused|generation 2))/);
	}
	$r->signal('TERM');
	my $code = $r->wait_exit;
	like($code, qr/^[01]$/, "S4.11: descriptors run out $when: the code") or diag $r->log;
	is(scalar(() = $r->log =~ /> pre_stop (?:web|fun|job)$/mg), 3, "S4.12: descriptors run out $when: the hooks ran") or diag $r->log;
	is(join(' ', $r->left_behind), '', "S9.3: descriptors run out $when: no process is left");
}

# ---- disks and streams ----

SKIP: {
	skip 'no permission to mount', 6 if system(q{unshare -m sh -c 'mount -t tmpfs -o size=64k none /mnt' 2>/dev/null});
	my $r = curfew(policy => policy(<<'LUA'), child => sub {
curfew.on("SIGUSR1", function()
  local rest <close> = assert(io.open("full/rest", "w"))
  rest:setvbuf("no")
  while rest:write(string.rep("x", 4096)) do end
  for i = 1, 1000 do curfew.log.info("a line of a log that does not fit any more, number " .. i) end
  mark "full"
  return curfew.ignore
end)
LUA
		exec 'unshare', '-m', 'sh', '-c', 'mkdir full && mount -t tmpfs -o size=16m none full && "$0" run --black-box full/box policy.lua 2>full/log; code=$?; wc -c <full/log >size; head -c 8 full/box >box; cat full/log >stderr; exit $code', $PROGRAM or POSIX::_exit(97);
	});
	ok(wait_up($r), 'a disk that fills up under log and black box: it starts') or diag $r->log;
	my ($pid) = split ' ', slurp("/proc/$r->{pid}/task/$r->{pid}/children") // 1; # of the shell
	kill 'USR1', $pid;
	ok(wait_until(sub { slurp("$r->{dir}/marks") =~ /^full$/m }, 10), 'it is full') or diag $r->log;
	kill 'TERM', $pid;
	is($r->wait_exit, 0, 'S4.11: a full disk is no reason for another code') or diag $r->log;
	is(join(', ', marks_on_disk($r)), $ALL, 'S4.12: a full disk: the hooks ran');
	cmp_ok(slurp("$r->{dir}/size"), '>', 0, 'the log was there');
	is(length slurp("$r->{dir}/box"), 8, 'and so was the box');
}

for (
	['/dev/full as its log', 'exec 2>/dev/full'],
	['a closed stderr', 'exec 2>&-'],
	['all streams closed', 'exec 0<&- 1>&- 2>&-'],
	['a log whose reader has gone', '{ echo $$ >shell; exec "$0" run policy.lua; } 2>&1 | head -n 1 >first & wait'],
) {
	my ($what, $shell) = @$_;
	my $r = $what =~ /reader/
	  ? curfew(policy => policy(''), child => sub { pipe my $in, my $out; close $in; POSIX::dup2(fileno $out, 2); exec $PROGRAM, 'run', 'policy.lua' or POSIX::_exit(97) })
	  : run_by($shell);
	ok(wait_up($r), "$what: it starts");
	$r->signal('TERM');
	is($r->wait_exit, 0, "S4.11: $what: code 0") or diag $r->log;
	is(join(', ', marks_on_disk($r)), $ALL, "S4.12: $what: the hooks ran");
	is(slurp("$r->{dir}/web.sock"), undef, "$what: the socket file is gone");
}

# ---- a terminal that stands still ----

for (['output is stopped (Ctrl-S)', 0], ['it is in the background, and the terminal stops who writes to it (tostop)', 1]) {
	my ($what, $background) = @$_;
	my ($master, $slave) = terminal() or BAIL_OUT('no pseudo-terminal');
	my $r = curfew(policy => policy(''), child => sub {
		POSIX::setsid();
		sysopen my $tty, $slave, O_RDWR or POSIX::_exit(97);
		POSIX::dup2(fileno $tty, $_) for 0 .. 2;
		exec 'sh', '-c', $background ? 'stty tostop; set -m; "$0" run policy.lua & set +m; echo $! >guardian; wait $!' : 'echo $$ >guardian; exec "$0" run policy.lua', $PROGRAM or POSIX::_exit(97);
	});
	my $read = sub { my $bits = ''; vec($bits, fileno $master, 1) = 1; sysread $master, my $text, 65536 while select(my $ready = $bits, undef, undef, 0) > 0 };
	ok(wait_until(sub { $read->() unless $background; 3 == (() = (slurp("$r->{dir}/marks") // '') =~ /^up /mg) }), "$what: it starts");
	if (!$background) {
		open my $tty, '+<', $slave or die;
		ioctl $tty, 0x540A, 0 or die; # TCXONC, TCOOFF
	}
	my ($pid) = slurp("$r->{dir}/guardian") =~ /(\d+)/;
	my $began = time;
	kill 'TERM', $pid;
	is($r->wait_exit, 0, "S4.11: $what: code 0");
	cmp_ok(time - $began, '<', 3, "S4.8: $what: nobody waits for the terminal");
	is(join(', ', marks_on_disk($r)), $ALL, "S4.12: $what: the hooks ran");
}

# ---- the clock ----

SKIP: {
	skip 'a sanitizer has a clock of its own', 6 if $ENV{SAN};
	my $astray = ($ENV{BUILD} || 'build') . '/t/faults/astray.so';
	$astray = POSIX::getcwd() . "/$astray" unless $astray =~ m{^/};
	my $r = curfew(
		policy => policy('web:pre_stop(function() curfew.sleep("300ms") mark "slept" end) curfew.every("20ms", function() mark "tick" end) curfew.on("SIGUSR1", function() mark("it is " .. os.date("%Y-%m")) return curfew.ignore end)'),
		env => { LD_PRELOAD => $astray, ASTRAY => 'astray' }, files => { astray => 0 });
	ok(wait_up($r), 'a clock that will leap: it starts');
	for my $years (1, -1) {
		spew("$r->{dir}/astray", $years * 366 * 86400);
		kill 'USR1', $r->{pid};
		my $month = POSIX::strftime('%Y-%m', localtime(time + $years * 366 * 86400));
		$r->wait_log(qr/> it is $month/);
		my $ticks = () = $r->log =~ /> tick/g;
		my ($from, $now) = (time, 0);
		wait_until(sub { ($now = () = $r->log =~ /> tick/g) >= $ticks + 10 }, 5);
		ok($now >= $ticks + 10 && time - $from > 0.1, "the clock leaps by $years year: timers go on as before");
	}
	$r->signal('TERM');
	$r->wait_log(qr/> pre_stop web/);
	spew("$r->{dir}/astray", 40 * 366 * 86400); # while the hook sleeps
	is($r->wait_exit, 0, 'S4.8: and during a stop: nothing was cut');
	like($r->log, qr/> slept/, 'S4.12: the hook that slept was waited for') or diag $r->log;
	cmp_ok($r->took, '>=', 0.3, 'and slept for as long as it asked for');
}

# ---- signals ----

# RATE a second for SECONDS, of these kinds in turn, to the guardian; how many were sent.
sub hail {
	my ($r, $seconds, @kinds) = @_;
	my ($rate, $began, $sent) = (10_000, time, 0);
	while ((my $t = time - $began) < $seconds) {
		for (; $sent < $t * $rate; $sent++) {
			kill $kinds[$sent % @kinds], $r->{pid} or return $sent;
		}
		last if $r->ended_now;
		sleep 0.002;
	}
	return $sent;
}

{
	my @kinds = qw(HUP INT QUIT USR1 USR2 WINCH ALRM VTALRM PROF IO CHLD CONT PIPE URG PWR TRAP SYS XCPU);
	my $r = curfew(policy => policy('fun:pre_stop(function() curfew.sleep("300ms") end) curfew.on("*", function(t) if t.name ~= "SIGTERM" then return curfew.ignore end end) for _, name in ipairs { "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGURG", "SIGPWR", "SIGTRAP", "SIGSYS", "SIGXCPU" } do curfew.on(name, curfew.ignore) end curfew.configure { log = { level = "warn" } }'));
	ok(wait_up($r), '10,000 signals a second: it starts') or diag $r->log;
	my $sent = hail($r, 3, @kinds);
	cmp_ok($sent, '>', 20_000, "10,000 signals a second of " . @kinds . " kinds, all ignored: sent $sent");
	ok(!$r->ended_now, 'it lives') or diag $r->log;
	my $s = connect_to("unix:$r->{dir}/web.sock");
	ok($s, 'and serves');
	syswrite $s, "GET / HTTP/1.0\r\n\r\n" if $s;
	like(($s && <$s>) // '', qr/^HTTP\/1\.. 200/, 'a request is answered');
	$r->signal('TERM');
	hail($r, 2, @kinds);
	my $code = $r->wait_exit;
	ok($code == 0 || ($ENV{SAN} && $code == 255), "S4.11: among them one that stops: code $code") or diag $r->log; # a sanitizer may be too slow for all of it
	is(join(', ', marks_on_disk($r)), $ALL, 'S4.12: each hook once');
	cmp_ok($r->took, '<', 3.5, sprintf 'S4.8: within its timeout (%.2f s)', $r->took);
}

# A library has left every signal blocked: the guardian has them let through.
SKIP: {
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	skip 'no module can be built', 3 unless build_module($dir, 'deaf', <<'C');
#include <lua.h>
#include <signal.h>
int luaopen_deaf(lua_State *L);
__attribute__((visibility("default"))) int luaopen_deaf(lua_State *L)
{
	sigset_t all;
	(void)L;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	return 0;
}
C
	my $r = curfew(policy => policy(q{fun:post_start(function() curfew.after("50ms", function() require "deaf" mark "deaf" end) end)}), env => { LUA_CPATH => "$dir/?.so" });
	ok(wait_up($r) && $r->wait_log(qr{> deaf}), "every signal is blocked: it runs") or diag $r->log;
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S2.19: SIGTERM stops it all the same') or diag $r->log;
	is(join(', ', marks_on_disk($r)), $ALL, 'S4.12: every signal is blocked: the hooks ran');
}

for my $round (1 .. 3) {
	my $r = curfew(policy => policy('fun:pre_stop(function() curfew.sleep("300ms") end)'));
	ok(wait_up($r), "10,000 stopping signals a second ($round): it starts");
	$r->{signalled} = time;
	my $sent = hail($r, 5, qw(TERM INT QUIT HUP));
	my $code = $r->wait_exit;
	is($code, 1, "S4.11: $sent of them, SIGHUP among them: code 1") or diag $r->log;
	is(join(', ', marks_on_disk($r)), $ALL, 'S4.12: each hook once') or diag $r->log;
	cmp_ok($r->took, '<', 3.5, 'S4.8: within its timeout');
	is(join(' ', $r->left_behind), '', 'S9.3: nothing is left');
}

done_testing;
