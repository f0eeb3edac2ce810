#!/usr/bin/perl
# hostile.t: what nobody should do to it and somebody will. Each end has a defined code, hooks run once, nothing is left.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use IO::Select;
use POSIX ();
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes qw(time sleep);
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
LUA
sub run_it { my ($lua, %o) = @_; return curfew(policy => $HEAD . $lua, %o) }
sub marks_of { return join ', ', @{ $_[0]->marks } }
my $SLACK = $ENV{CURFEW_PATIENCE} ? 10 : 3;

# S4.4, S2.13: thousands of signals of all kinds while a hook waits
{
	my $r = run_it(<<'LUA');
local s = curfew.server { name = "s", start = function() end, stop = function() mark "stopped" end }
s:pre_stop(function()
	mark "pre"
	while not curfew.fs.exists("enough") do curfew.sleep("5ms") end
end)
s:post_stop(function() mark "post" end)
LUA
	$r->wait_log(qr/started 1 server/);
	$r->signal('TERM');
	$r->wait_log(qr/> pre/);
	for (1 .. 1000) { $r->signal($_) for qw(TERM INT QUIT CHLD PIPE WINCH CONT) }
	spew("$r->{dir}/enough", '');
	is($r->wait_exit, 0, 'S4.4: 7,000 signals during a stop change nothing');
	is(marks_of($r), 'pre, stopped, post', 'S4.12: hooks once each under a storm of signals');
}

# S2.19: ignored and blocked dispositions that were inherited do not make it deaf
{
	my $r = run_it(
		'curfew.server { name = "s", start = function() end, stop = function() end }',
		child => sub {
			$SIG{TERM} = $SIG{INT} = $SIG{CHLD} = 'IGNORE';
			POSIX::sigprocmask(POSIX::SIG_BLOCK(), POSIX::SigSet->new(POSIX::SIGTERM(), POSIX::SIGCHLD(), POSIX::SIGALRM()));
		}
	);
	$r->wait_log(qr/started 1 server/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S2.19: TERM inherited as ignored and blocked still stops it');
}

# S4.8, circus#540: a hook that waits on anything holds up neither the other hooks nor the end
{
	my %waits = (
		'a command that never ends' => 'curfew.exec { "sleep", "77" }',
		'a command that ignores TERM' => q(curfew.exec { "sh", "-c", "trap '' TERM INT; while :; do sleep 1; done" }),
		'os.execute' => 'os.execute "sleep 77"',
		'io.popen' => 'io.popen("sleep 77"):read "a"',
		'an event that never comes' => 'curfew.wait "never"',
		'two tasks that await each other' =>
		'local t, u t = curfew.spawn(function() curfew.sleep "1ms" u:await() end) u = curfew.spawn(function() t:await() end) t:await()',
	);
	my %runs;
	for my $what (sort keys %waits) {
		my $r = run_it(<<LUA, before => [ '--exit-timeout', '600ms', '--stop-margin', '150ms' ]);
local a = curfew.server { name = "a", start = function() end, stop = function() end }
local b = curfew.server { name = "b", start = function() end, stop = function() end }
a:pre_stop(function() $waits{$what} mark "never" end)
b:pre_stop(function() mark "b" end)
LUA
		$r->wait_log(qr/started 2 servers/);
		$r->signal('TERM');
		is($r->wait_exit, 255, "S4.8: a hook that waits for $what: 255");
		is(marks_of($r), 'b', "S4.12: a hook that waits for $what: the others ran");
		cmp_ok($r->took, '<', 0.6 + $SLACK, "S4.8: a hook that waits for $what: in time");
		# what was killed at the very end may still be dying
		ok(wait_until(sub { !$r->leftovers }), "S9.3: a hook that waits for $what: nothing left");
	}
}

# lua-api: file operations do not block the loop, FIFOs that nobody opens included
{
	my $r = run_it(<<'LUA');
local a = curfew.server { name = "a", start = function() end, stop = function() end }
a:pre_stop(function()
	os.execute "mkfifo fifo"
	curfew.fs.read "fifo"
	curfew.fs.write("fifo", "x")
	mark "on"
end)
LUA
	$r->wait_log(qr/started 1 server/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'fs: a FIFO that nobody opens holds up nothing');
	is(marks_of($r), 'on', 'fs: the hook went on after the FIFO');
}

# Its own output: a reader that stopped, one that left, descriptors that were never open
for my $mode (qw(log inherit)) {
	pipe my $reader, my $writer or die;
	my $r = run_it(<<LUA, before => [ '--exit-timeout', '20s' ], child => sub { POSIX::dup2(fileno $writer, 2) });
local p = curfew.process { name = "p", stdout = "$mode", stderr = "$mode", command = { "sh", "-c", "exec yes >&2" } }
p:pre_stop(function() curfew.fs.write("pre", "") end)
p:post_start(function() curfew.after("100ms", function() curfew.fs.write("up", "") end) end)
LUA
	close $writer;
	ok(wait_until(sub { -e "$r->{dir}/up" }), "a flood ($mode) and a reader that stopped: it lives");
	$r->signal('TERM');
	is($r->wait_exit, 0, "a flood ($mode) and a reader that stopped: it stops");
	ok(-e "$r->{dir}/pre", "S4.12: a flood ($mode) and a reader that stopped: the hook ran");
	is(join(' ', $r->left_behind), '', "a flood ($mode) and a reader that stopped: nothing left");
}
{
	pipe my $reader, my $writer or die;
	close $reader;
	my $r = run_it(<<'LUA', child => sub { POSIX::dup2(fileno $writer, 2) });
local p = curfew.process { name = "p", stdout = "log", command = { "sh", "-c", "while echo x; do sleep 0.01; done" } }
p:pre_stop(function() curfew.fs.write("pre", "") end)
p:post_start(function() curfew.after("100ms", function() curfew.fs.write("up", "") end) end)
LUA
	close $writer;
	ok(wait_until(sub { -e "$r->{dir}/up" }), 'S2.19: a log whose reader left is no end');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'a log whose reader left: it stops');
	ok(-e "$r->{dir}/pre", 'S4.12: a log whose reader left: the hook ran');
}
{
	my $r = run_it(<<'LUA', child => sub { POSIX::close($_) for 0 .. 2 });
local p = curfew.process { name = "p", stdout = "log", command = { "sleep", "99" } }
p:pre_stop(function() curfew.fs.write("pre", "") end)
p:post_start(function() curfew.after("1ms", function() curfew.fs.write("up", "") end) end)
LUA
	ok(wait_until(sub { -e "$r->{dir}/up" }), 'S10.2: started with descriptors 0 to 2 closed');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'descriptors 0 to 2 closed: it stops');
	ok(-e "$r->{dir}/pre", 'S4.12: descriptors 0 to 2 closed: the hook ran');
}

# S5.2: exits from where nothing can yield
{
	my %ways = (
		'a sort' => 'table.sort({ 1, 2, 3 }, function() os.exit(7) end)',
		'gsub' => 'string.gsub("a", "a", function() os.exit(7) end)',
		'__index' => 'local _ = setmetatable({}, { __index = function() os.exit(7) end }).x',
		'an iterator' => 'for _ in function() os.exit(7) end do end',
		'a reader of load' => 'load(function() os.exit(7) end)',
		'xpcall' => 'xpcall(function() os.exit(7) end, function() mark "NO" end)',
		'__tostring' => 'string.format("%s", setmetatable({}, { __tostring = function() os.exit(7) end }))',
		'a finalizer' => 'setmetatable({}, { __gc = function() os.exit(7) end }) collectgarbage() curfew.sleep "5s"',
		'a task that is awaited' => 'curfew.spawn(function() os.exit(7) end):await()',
		'wrap in wrap' => 'coroutine.wrap(function() coroutine.wrap(function() os.exit(7) end)() mark "NO" end)()',
		'under a __close that loops' => 'local x <close> = setmetatable({}, { __close = function() while true do end end }) os.exit(7)',
	);
	for my $way (sort keys %ways) {
		my $r = run_it(<<LUA);
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function() mark "pre" end)
curfew.start()
$ways{$way} mark "NO"
LUA
		is($r->wait_exit, 7, "S5.2: os.exit(7) within $way: its code");
		is(marks_of($r), 'pre', "S5.1: os.exit(7) within $way: not one more statement");
	}
}

# HTTP: what differs between two readers of one stream is refused, and the connection is not read on
{
	my $r = run_it(<<'LUA');
local w = curfew.http {
	name = "w", listen = "127.0.0.1:0", max_body = "64KB", keep_alive = "2s",
	routes = { ["GET /"] = function() return "root" end, ["GET /smuggled"] = function() mark "SMUGGLED" return "no" end,
		["POST /"] = function(req) return req.body end,
		["GET /split"] = function() return 200, "x", { ["X-A"] = "a\r\nX-Injected: 1" } end },
}
curfew.start()
mark("at " .. w.address)
LUA
	my $at = $r->wait_log(qr/> at (\S+)/);
	my $talk = sub {
		my ($raw) = @_;
		my $s = connect_to($at) or return 'refused';
		local $SIG{PIPE} = 'IGNORE';
		syswrite $s, $raw;
		my ($text, $sel) = ('', IO::Select->new($s));
		while ($sel->can_read($Curfew::PATIENCE)) { sysread $s, $text, 65536, length $text or last }
		return $text;
	};
	my $next = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
	my %bad = (
		'both lengths' => "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n$next",
		'two Content-Lengths' => "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde$next",
		'a list of lengths' => "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4, 5\r\n\r\nabcd$next",
		'a length below nought' => "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n$next",
		'an unknown coding' => "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n$next",
		'a coding after chunked' => "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n$next",
		'a space before the colon' => "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\nabc$next",
		'100,000 headers' => "GET / HTTP/1.1\r\n" . "X: y\r\n" x 100_000 . "\r\n",
	);
	for my $what (sort keys %bad) {
		my $text = $talk->($bad{$what});
		like($text, qr{^HTTP/1\.1 (?:400|501) }, "http: $what: refused");
		unlike($text, qr{HTTP/1\.1 .*HTTP/1\.1 }s, "http: $what: nothing behind it is read");
	}
	unlike($r->log, qr/SMUGGLED/, 'http: nothing was smuggled');
	my $text = $talk->("HEAD / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	is(() = $text =~ m{^HTTP/1\.1 200 OK\r$}mg, 2, 'http: HEAD and a GET behind it: two replies in step');
	like($text, qr/\r\n\r\nroot$/, 'http: the body is that of the GET alone');
	$text = $talk->("GET /split HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	like($text, qr{^HTTP/1\.1 500 }, 'http: a header that would split the reply: 500');
	unlike($text, qr/Injected/, 'http: nothing of it is sent');
	my $chunks = ("4000\r\n" . 'x' x 16384 . "\r\n") x 5;
	$text = $talk->("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n");
	like($text, qr{^HTTP/1\.1 413 }, 'http: a chunked body past max_body: 413');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'http: it stops well after all that');
}

# Descriptor exhaustion by clients: the stop still comes through
{
	my $binary = $BIN =~ m{^/} ? $BIN : POSIX::getcwd() . "/$BIN";
	my $r = run_it(<<'LUA', child => sub { exec 'sh', '-c', 'ulimit -n 40; exec "$0" run policy.lua', $binary });
local w = curfew.http { name = "w", listen = "127.0.0.1:0", keep_alive = "20s", routes = { ["GET /"] = function() return "x" end } }
w:pre_stop(function() mark "pre" end)
curfew.start()
mark("at " .. w.address)
LUA
	my $at = $r->wait_log(qr/> at (\S+)/);
	my @clients = map { connect_to($at) } 1 .. 60;
	$r->wait_log(qr/cannot accept a connection/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'more clients than descriptors: it stops');
	is($r->marks->[-1], 'pre', 'S4.12: more clients than descriptors: the hook ran');
}

# What stands at a Unix socket's path and is no socket is not touched
{
	my $r = run_it('curfew.http { name = "w", listen = "unix:precious", routes = {} }', files => { precious => 'data' });
	is($r->wait_exit, 1, 'S2.16: a file where the socket should be: the start fails');
	is(slurp("$r->{dir}/precious"), 'data', 'the file is untouched');
}

# S4.12 under rude clients: TERM, and sometimes more, at random moments
{
	my $seed = $ENV{CURFEW_SEED} // time ^ $$;
	srand $seed;
	my $bad = 0;
	for my $round (1 .. 12) {
		my $twice = $round % 2; # the second at once, while hooks wait
		my $wait = $twice ? '250ms' : '10ms';
		my $r = run_it(<<'LUA' . <<"MORE", before => [ '--exit-timeout', '3s' ]);
local w = curfew.http { name = "w", listen = "127.0.0.1:0", routes = {
	["GET /"] = function() return "x" end,
	["GET /slow"] = function() curfew.sleep "20ms" return "slow" end,
	["GET /late"] = function(_, res) res:hold() curfew.spawn(function() curfew.sleep "30ms" res:send(200, "late") end) end,
	["GET /exec"] = function() return curfew.exec({ "echo", "hi" }).stdout end,
	["GET /error"] = function() error "x" end,
	["POST /"] = function(req) return req.body end } }
local p = curfew.process { name = "p", stdout = "log", command = { "sh", "-c", "while :; do echo x; sleep 0.01; done" } }
LUA
for _, s in ipairs { w, p } do s:pre_stop(function() mark("pre " .. s.name) curfew.sleep "$wait" end) end
curfew.start()
mark("at " .. w.address)
MORE
		my $at = $r->wait_log(qr/> at (\S+)/);
		my @rude = map {
			my $pid = fork // die;
			if (!$pid) {
				srand $seed + 100 * $round + $_;
				$SIG{PIPE} = 'IGNORE';
				my $end = time + 5;
				while (time < $end) {
					my $s = connect_to($at) or last;
					for (0 .. int rand 5) {
						syswrite $s, ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" x 3, "GET /late HTTP/1.1\r\nHost: x\r\n\r\n", "GET /exec HTTP/1.1\r\nHost: x\r\n\r\n",
							"GET /error HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /slow HTTP/1.1\r\nHost: x\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\nabc",
							"\x16\x03\x01\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")[ rand 9 ];
						my $x = rand;
						if ($x < 0.3) { IO::Select->new($s)->can_read(0.1) and sysread $s, my $got, 4096 }
						elsif ($x < 0.4) { shutdown $s, 1 }
						elsif ($x < 0.5) { setsockopt $s, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0; last }
					}
					close $s;
				}
				POSIX::_exit(0);
			}
			$pid
		} 1 .. 3;
		sleep rand 0.2;
		$r->signal('TERM');
		$r->signal((qw(TERM INT HUP))[ rand 3 ]) if $twice;
		my $code = $r->wait_exit;
		kill 'KILL', @rude;
		waitpid $_, 0 for @rude;
		my @left = $r->left_behind;
		my $marks = join ', ', sort grep { /pre/ } @{ $r->marks };
		next if $marks eq 'pre p, pre w' and !@left and ($code == 0 or $code == 1 or $code == 255);
		$bad++;
		diag "seed $seed, round $round: code $code, $marks, left @left\n" . $r->log;
	}
	is($bad, 0, 'S4.12: rude clients, and signals at random moments: hooks once each, nothing left');
}

done_testing;
