#!/usr/bin/perl
# process.t: child processes as servers, through the real binary: readiness, stop steps, restarts, families, descriptors.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
LUA
sub run_it { my ($lua, %o) = @_; return curfew(policy => $HEAD . $lua, %o) }
sub marks_of { return join ', ', @{ $_[0]->marks } }

# readiness
{
	my $r = run_it(<<'LUA');
local p = curfew.process { name = "p", command = { "sh", "-c", "touch ready; exec sleep 99" }, ready = { exec = { "test", "-e", "ready" }, timeout = "20s" } }
p:post_start(function() mark(curfew.fs.exists("ready") and "ready" or "TOO EARLY") curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'ready = { exec }');
	is(marks_of($r), 'ready', 'not before the command says so');
}
{
	my $r = run_it(<<'LUA');
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET /up"] = function() return "up" end } }
web:post_start(function()
	local p = curfew.process { name = "p", command = { "sleep", "99" }, ready = { http = "http://" .. web.address .. "/up", timeout = "20s" } }
	assert(p:start())
	mark("http " .. p.state)
	local q = curfew.process { name = "q", command = { "sleep", "99" }, ready = { tcp = web.address, timeout = "20s" } }
	assert(q:start())
	mark("tcp " .. q.state)
	local d = curfew.process { name = "d", command = { "sleep", "99" }, ready = { delay = "20ms" } }
	assert(d:start())
	mark("delay " .. d.state)
	curfew.after(0, curfew.stop)
end)
LUA
	is($r->wait_exit, 0, 'ready = { http }, { tcp }, { delay }; servers made and started later');
	is(marks_of($r), 'http started, tcp started, delay started', 'each waits for its own') || diag $r->log;
}
SKIP: {
	skip 'no perl socket module', 2 unless eval { require IO::Socket::UNIX };
	my $r = run_it(<<'LUA');
local p = curfew.process {
	name = "p", ready = { notify = true, timeout = "20s" },
	command = { "perl", "-MIO::Socket::UNIX", "-e", [[
		my $path = $ENV{NOTIFY_SOCKET}; $path =~ s/^@/\0/;
		my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $path) or die "no socket: $!";
		print $s "STATUS=warming up\n"; print $s "READY=1\n"; sleep 99;
	]] },
}
p:post_start(function() mark "notified" curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'ready = { notify = true }');
	is(marks_of($r), 'notified', 'the child says so itself') || diag $r->log;
}
{
	my $r = run_it('curfew.process { name = "p", command = { "sleep", "99" }, ready = { tcp = "127.0.0.1:1", timeout = "300ms" } }');
	is($r->wait_exit, 1, 'never ready: a failed start');
	like($r->log, qr/p\b.*(?:ready|timed out)/i, 'and it says so');
	is(join(' ', $r->left_behind), '', 'its process is gone');
}

# stop steps
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '20s']);
local p = curfew.process {
	name = "p", stdout = "log",
	command = { "sh", "-c", "trap 'echo hup' HUP; trap 'echo term' TERM; echo up; while :; do sleep 0.02; done" },
	stop = { { signal = "HUP", wait = "150ms" }, { signal = "TERM", wait = "150ms" }, { signal = "KILL" } },
}
LUA
	$r->wait_log(qr/\bup\b/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S9.3: the steps end with KILL: stopped as asked');
	like($r->log, qr/\bhup\b.*\bterm\b/s, 'S9.3: HUP, its wait, TERM, its wait, KILL') || diag $r->log;
	is(join(' ', $r->left_behind), '', 'nothing is left');
}
{
	my $r = run_it('curfew.process { name = "p", command = { "sleep", "99" }, stop = { { signal = "TERM", wait = "10s" } } }:post_start(function() curfew.after(0, curfew.stop) end)');
	is($r->wait_exit, 0, 'field 15: no wait is slept through');
	cmp_ok($r->{ended} - $r->{began}, '<', 5, 'a child that ends at once is not waited for longer');
}

# restart with backoff, then the closed trigger
{
	my $r = run_it(<<'LUA');
curfew.process { name = "p", command = { "sh", "-c", "echo x >>tries; exit 3" }, restart = { on = "failure", backoff = "10ms", max = 3 } }
curfew.on("closed", function(t)
	mark(("closed %s code %d after %d starts"):format(t.server.name, t.code, select(2, curfew.fs.read("tries"):gsub("x", "x"))))
end)
LUA
	# fs.read waits and a rule cannot: the rule fails and the default decides
	is($r->wait_exit, 255, 'S2.7: closed when the restarts are used up: abort(255)');
	$r = run_it(<<'LUA');
curfew.process { name = "p", command = { "sh", "-c", "echo x >>tries; exit 3" }, restart = { on = "failure", backoff = "10ms", max = 3 } }
curfew.on("closed", function(t)
	mark(("closed %s code %d"):format(t.server.name, t.code))
	return curfew.graceful(7)
end)
LUA
	is($r->wait_exit, 7, 'S2.7: a rule decides');
	is(marks_of($r), 'closed p code 3', 'S2.7: once, with server and code') || diag $r->log;
	is(length slurp("$r->{dir}/tries"), 2 * 4, 'S2.7: after max restarts: four starts');
}
{
	my $r = run_it(<<'LUA');
local n = 0
curfew.process { name = "p", command = { "sh", "-c", "exit 0" } }
curfew.on("closed", function(t)
	n = n + 1
	mark("closed " .. n)
	return n < 3 and curfew.restart or curfew.graceful(0)
end)
LUA
	is($r->wait_exit, 0, 'decision restart');
	is(marks_of($r), 'closed 1, closed 2, closed 3', 'starts it again, and again');
}
{
	my $r = run_it('curfew.process { name = "p", command = { "true" }, expect_exit = true }');
	is($r->wait_exit, 0, 'expect_exit: its end with 0 is no closed trigger; then idle');
	unlike($r->log, qr/closed.*255/, 'and no abort');
}

# S10.2: descriptors, variables; output, environment, directory
{
	my $dir = File::Temp->newdir(TMPDIR => 1);
	my $r = run_it(<<LUA, env => { NOTIFY_SOCKET => '/nowhere', LISTEN_FDS => '1', LISTEN_PID => '1', WATCHDOG_USEC => '1', KEPT => 'yes' });
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = {} }
local p = curfew.process { name = "p", after = { web }, cwd = "$dir", env = { KEY = "va lue" }, stdout = "log",
	command = { "sh", "-c", "for n in 3 4 5 6 7 8 9 11 12 13 14 15 16 17 18 19 20; do [ -e /proc/\$\$/fd/\$n ] && echo \$n; done >fds; env >env; echo hello; echo done >done; exec sleep 99" },
	ready = { exec = { "test", "-e", "$dir/done" }, timeout = "20s" } }
p:post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'a child with a directory, variables and logged output');
	is(slurp("$dir/fds"), '', 'S10.2: a child inherits none of our descriptors'); # 10 is the shell's own
	my $env = slurp("$dir/env");
	unlike($env, qr/^(NOTIFY_SOCKET|LISTEN_FDS|LISTEN_PID|WATCHDOG_USEC)=/m, 'S10.2: nor variables that mean us');
	like($env, qr/^KEY=va lue$/m, 'its own variables');
	like($env, qr/^KEPT=yes$/m, 'and the inherited ones');
	like($r->log, qr/\bp\b.*hello|hello.*\bp\b/, 'stdout = "log": its lines are in the log, with its name');
}

# the family: what escapes the group is found
{
	my $r = run_it(<<'LUA');
curfew.process { name = "p", stdout = "log", command = { "sh", "-c", "setsid sleep 98 & (setsid sh -c 'sleep 97 & wait' &); sleep 96 & echo up; exec sleep 99" } }
LUA
	$r->wait_log(qr/\bup\b/);
	ok(Curfew::wait_until(sub { 4 <= grep { (slurp("/proc/$_/comm") // '') =~ /sleep/ } $r->leftovers }), 'a server with a family');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'field 12: it is stopped');
	is(join(' ', $r->left_behind), '', 'field 12: with its whole tree, setsid or not');
}
# an abort kills the tree as well
{
	my $r = run_it('curfew.process { name = "p", stdout = "log", command = { "sh", "-c", "trap \'\' TERM; setsid sleep 98 & echo up; while :; do sleep 0.05; done" } }');
	$r->wait_log(qr/\bup\b/);
	$r->signal('HUP');
	is($r->wait_exit, 1, 'S4.2: abort');
	is(join(' ', $r->left_behind), '', 'S4.2: child processes are killed with their whole tree');
}

# exec
{
	my $r = run_it(<<'LUA');
local r = curfew.exec { "sh", "-c", "cat; echo err >&2; exit 3", stdin = "in" }
mark(("%s %s %s"):format(r.code, r.stdout, (r.stderr:gsub("\n", ""))))
local ok, message, code = curfew.exec { "/no/such" }
mark(tostring(ok) .. " " .. code)
ok, message, code = curfew.exec { "sleep", "99", timeout = "50ms" }
mark(tostring(ok) .. " " .. code)
mark(tostring((os.execute("exit 4"))) .. " " .. tostring(select(3, os.execute("exit 4"))))
mark((io.popen("echo popen"):read("a"):gsub("\n", "")))
curfew.exec({ "true" }, function(result) mark("callback " .. result.code) end)
LUA
	is($r->wait_exit, 0, 'curfew.exec');
	is(marks_of($r), '3 in err, nil ENOENT, nil ETIMEDOUT, nil 4, popen, callback 0', 'results, failures, the replaced os.execute and io.popen') || diag $r->log;
	is(join(' ', $r->left_behind), '', 'what passed its timeout is gone');
}

done_testing;
