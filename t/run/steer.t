#!/usr/bin/perl
# steer.t: a stop that runs is hurried, extended, eased and cancelled; one server is stopped and restarted; by the commands, by the
# control API and by the policy itself; and each is refused by a rule and by the state.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use JSON::PP;
use KeepAlive;
use POSIX ();
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
curfew.configure { control = "s.sock", exit_timeout = "60s", max_exit_timeout = "5m" }
local function say(...) curfew.log.info(">", ...) end
local function trace(text) local f = io.open("traces", "a") f:write(text, "\n") f:close() end
local function wait_for(name) repeat curfew.sleep "5ms" until curfew.fs.exists(name) end
local function lua_server(name, after)
	return curfew.server { name = name, after = after, start = function() say(name, "starts") end, stop = function() say(name, "stops") end }
end
LUA

sub run_policy {
	my ($policy, %o) = @_;
	my $r = curfew(policy => $HEAD . $policy, %o);
	$r->wait_log(qr/INFO +started \d+ server/);
	return $r;
}

# Begin a command; what it says is read by finish.
sub begin {
	my ($r, @argv) = @_;
	my $pid = open(my $from, '-|') // die "fork: $!";
	if (!$pid) {
		open STDERR, '>&', \*STDOUT;
		$ENV{CURFEW_SOCKET} = "$r->{dir}/s.sock";
		exec { $BIN } $BIN, @argv or POSIX::_exit(98);
	}
	return $from;
}

sub finish {
	my ($from) = @_;
	local $/;
	my $text = <$from> // '';
	close $from;
	return ($? >> 8, $text);
}
sub command { return finish(begin(@_)) }
sub status_of { return decode_json((command($_[0], 'status', '--json'))[1]) }

sub post {
	my ($r, $path) = @_;
	my ($status, $body) = http_get("unix:$r->{dir}/s.sock", $path, method => 'POST');
	my $v = decode_json($body);
	return ($status, $v->{error} ? @{ $v->{error} }{qw(code message)} : ($v->{done} ? 'done' : $body));
}

# Until the stop waits for that phase of that server.
sub wait_for_phase {
	my ($r, $server, $phase) = @_;
	ok(wait_until(sub { grep { ($_->{server} // '') eq $server && $_->{phase} eq $phase } @{ status_of($r)->{waits} } }),
		"it waits for $phase of $server") or diag $r->log;
}

# A process that does as told: files hup and int say which signal it has heard.
my $STUBBORN = q{trap "" TERM; trap "echo int >> int" INT; trap "echo hup >> hup" HUP; echo up > up; while :; do sleep 0.01; done};

# ---- hurry

{
	my $r = run_policy(<<'LUA');
local s = lua_server "s"
s:pre_stop(function(ctx)
	say("holds", ctx.hurried)
	curfew.spawn(function() curfew.sleep "50s" say "beside" end)
	say("slept", curfew.sleep "50s")
	say("hurried", ctx.hurried, ctx.cancelled)
	curfew.sleep "50s"
	say "again"
end)
s:pre_stop(function(ctx) say("second", ctx.hurried) curfew.sleep "50s" end)
s:post_stop(function(ctx) say("post", ctx.hurried) curfew.sleep "50s" end)
LUA
	$r->signal('TERM');
	$r->wait_log(qr/> holds/);
	is_deeply([ command($r, 'hurry') ], [ 0, "hurry: done\n" ], 'curfew hurry');
	is($r->wait_exit, 0, 'it ends, and well') or diag $r->log;
	is(join('; ', grep { !/s st|beside/ } @{ $r->marks }), 'holds false; slept true; hurried true false; again; second true; post true',
		'sleeps end as if their time had passed, later ones are brief, ctx tells') or diag $r->log;
	like($r->log, qr/> beside/, 'so do those of what a hook has spawned');
	like($r->log, qr/INFO +the stop is hurried/, 'the log has it');
}
{
	my $r = run_policy(<<LUA);
local p = curfew.process { name = "p", command = { "sh", "-c", [[$STUBBORN]] }, ready = { exec = { "test", "-e", "up" } },
	stop = { { signal = "TERM", wait = "50s" }, { signal = "INT", wait = "50s" }, { signal = "KILL" } } }
LUA
	$r->signal('TERM');
	wait_for_phase($r, 'p', 'stop');
	is((command($r, 'hurry'))[0], 0, 'S9.3: hurry');
	ok(wait_until(sub { -s "$r->{dir}/int" }), 'a process gets its next signal now') or diag $r->log;
	ok(!$r->ended_now, 'and has its time for that one');
	is((command($r, 'hurry'))[0], 0, 'hurry once more');
	is($r->wait_exit, 0, 'the last signal ends it, and that is as configured') or diag $r->log;
}
{
	my $r = run_policy(<<'LUA');
local w = curfew.http { name = "w", listen = "127.0.0.1:0", idle_grace = "50s", routes = { ["GET /"] = function() return "x" end } }
w:post_start(function() say("port", w.address:match "%d+$") end)
LUA
	my $port = $r->wait_log(qr/> port (\d+)/);
	my $idle = connect_to("127.0.0.1:$port");
	syswrite $idle, "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $idle, my $reply, 4096;
	like($reply, qr/^HTTP\/1.1 200/, 'a connection is used, and idle then');
	$r->signal('TERM');
	wait_for_phase($r, 'w', 'stop');
	is((command($r, 'hurry'))[0], 0, 'S9.1: hurry');
	is($r->wait_exit, 0, 'idle_grace is over') or diag $r->log;
	is(sysread($idle, $reply, 4096), 0, 'the idle connection was closed');
}

# What else is held: health.hold, and the stop function of a server.
{
	my $r = run_policy(<<'LUA');
curfew.configure { exit_timeout = "90s", health = { listen = "127.0.0.1:0", hold = "50s", probes = 3 } }
curfew.server { name = "s", start = function() curfew.spawn(function() curfew.sleep "50s" say "NEVER" end) end,
	stop = function(ctx) say("stops", ctx.hurried) curfew.sleep "50s" say("stopped", ctx.hurried) end }
LUA
	$r->signal('TERM');
	ok(wait_until(sub { grep { ($_->{hook} // '') eq 'health.hold' } @{ status_of($r)->{waits} } }), 'health.hold holds');
	is((command($r, 'hurry'))[0], 0, 'hurry');
	is($r->wait_exit, 0, 'it ends') or diag $r->log;
	is(join('; ', @{ $r->marks }), 'stops true; stopped true', 'a stop function that comes after it sleeps for a moment, too');
}

{
	my $r = run_policy(<<'LUA');
curfew.server { name = "s", start = function() curfew.spawn(function() curfew.sleep "50s" say "NEVER" end) end,
	stop = function(ctx) say("stops", ctx.hurried) curfew.sleep "50s" say("stopped", ctx.hurried) end }
LUA
	$r->signal('TERM');
	$r->wait_log(qr/> stops false/);
	is((command($r, 'hurry'))[0], 0, 'hurry');
	is($r->wait_exit, 0, 'it ends') or diag $r->log;
	is(join('; ', @{ $r->marks }), 'stops false; stopped true', 'a stop function sleeps no longer; what a start has spawned is not woken');
}

# ---- extend

{
	my $r = run_policy(<<'LUA');
lua_server "s":pre_stop(function() say "holds" wait_for "go" end)
LUA
	is_deeply([ command($r, 'extend', '30s') ], [ 1, "curfew extend: there is no stop\n" ], 'extend: without a stop');
	$r->signal('TERM');
	$r->wait_log(qr/> holds/);
	is_deeply([ command($r, 'extend', '4m') ], [ 0, "extend: done\n" ], 'curfew extend');
	cmp_ok(status_of($r)->{stop}{left}, '>', 120, 'S4.6: the end has moved');
	is((command($r, 'extend', '10m'))[0], 0, 'S4.6: as far as it may');
	is_deeply([ post($r, '/v1/extend?by=10m') ], [ 409, 'state', 'the stop ends at max_exit_timeout already' ], 'S4.6: and no further');
	spew("$r->{dir}/go", '');
	is($r->wait_exit, 0, 'it ends') or diag $r->log;
	like($r->log, qr/INFO +the stop is extended: ends within/, 'the log has it');
}

# ---- skip

{
	my $r = run_policy(<<'LUA');
local s = lua_server "s"
s:pre_stop(function() say "stuck" curfew.wait "what never comes" end, { name = "stuck" })
s:pre_stop(function() say "next" end)
local other = lua_server "other"
other:pre_stop(function() wait_for "go" say "other had its time" end)
LUA
	$r->signal('TERM');
	$r->wait_log(qr/> stuck/);
	is_deeply([ command($r, 'skip', 's') ], [ 0, "skip: done\n" ], 'curfew skip: a hook that is stuck');
	$r->wait_log(qr/> s stops/);
	spew("$r->{dir}/go", '');
	is($r->wait_exit, 1, 'S4.11: the code is at least 1') or diag $r->log;
	like($r->log, qr/> next.*> other had its time/s, 'the next hook runs (S4.12), and so do others');
	like($r->log, qr/WARN +s: pre_stop "stuck" \(policy.lua:\d+\) was skipped after/, 'the log has it');
	like($r->log, qr/exit 1; cut off: s$/m, 'and the last line');
}
{
	my $r = run_policy(<<LUA);
local p = curfew.process { name = "p", command = { "sh", "-c", [[$STUBBORN]] }, ready = { exec = { "test", "-e", "up" } },
	stop = { { signal = "TERM", wait = "50s" } } }
p:post_stop(function(ctx) say("post", ctx.result) end)
curfew.pre_stop(function() say "stuck" curfew.wait "what never comes" end)
LUA
	$r->signal('TERM');
	$r->wait_log(qr/> stuck/);
	is_deeply([ post($r, '/v1/skip/p') ], [ 409, 'state', 'p: nothing of it is waited for at this moment' ], 'skip: of whose turn it is not');
	is_deeply([ post($r, '/v1/skip/curfew') ], [ 200, 'done' ], 'skip: the global hook');
	wait_for_phase($r, 'p', 'stop');
	is((command($r, 'skip', 'p'))[0], 0, 'skip: a process that does not end');
	is($r->wait_exit, 1, 'S4.11: it ends with 1') or diag $r->log;
	like($r->log, qr/> post cut/, 'its post_stop hooks have run');
	is(join(' ', $r->left_behind), '', 'nothing is left of it');
}
# A hook that is skipped before its first instruction has that one all the same (S4.12).
{
	my $r = run_policy(<<'LUA');
local s = lua_server "s"
curfew.pre_stop(function() curfew.skip "s" end)
s:pre_stop(function() say "began" curfew.sleep "50s" say "NEVER" end)
curfew.spawn(function() curfew.wait "stopping" repeat local ok = curfew.skip "s" until ok say "skipped" end)
LUA
	$r->signal('TERM');
	is($r->wait_exit, 1, 'a hook that was hardly begun is skipped') or diag $r->log;
	is(join('; ', grep { !/^s / } @{ $r->marks }) =~ s/skipped; began/began; skipped/r, 'began; skipped', 'S4.12: it was begun');
}

# ---- cancel

my $SERVING = <<'LUA';
curfew.configure { health = { listen = "127.0.0.1:0" } }
local w = curfew.http { name = "w", listen = "127.0.0.1:0", routes = { ["GET /"] = function() return "x" end } }
local db = lua_server "db"
w:after(db)
curfew.pre_stop(function() trace "global" end)
w:post_start(function() say("port", w.address:match "%d+$") end)
w:pre_stop(function(ctx)
	trace "hold"
	say("holds", ctx.trigger.name, ctx.trigger.count)
	if not curfew.fs.exists "go" then curfew.sleep "50s" end
	say("told", ctx.cancelled, ctx.hurried)
end)
w:pre_stop(function() trace "second" end)
db:pre_stop(function() trace "db" end)
curfew.subscribe("cancelled", function() say "serves on" end)
LUA

sub readiness { my ($port) = @_; return (http_get("127.0.0.1:$port", '/readyz'))[0] }

{
	my $r = run_policy($SERVING);
	my $port = $r->wait_log(qr/> port (\d+)/);
	my $health = $r->wait_log(qr/health: listening on 127\.0\.0\.1:(\d+)/);
	is(readiness($health), 200, 'S9.1: ready');
	my $clients = KeepAlive->new(port => $port, clients => 4, again => 1);
	my $enough = sub { my $to = $clients->{done} + 40; return sub { $clients->{done} >= $to } };
	$clients->run($enough->(), $Curfew::PATIENCE);
	my $waits = begin($r, 'stop', '--wait');
	$r->wait_log(qr/> holds/);
	is(readiness($health), 503, 'S9.1: not while it stops');
	like((http_get("127.0.0.1:$health", '/readyz'))[1], qr/^stopping/, 'and says why');
	$clients->run($enough->(), $Curfew::PATIENCE);
	is_deeply([ command($r, 'cancel') ], [ 0, "cancel: done\n" ], 'curfew cancel') or diag $r->log;
	is(readiness($health), 200, 'ready again');
	is_deeply([ finish($waits) ], [ 0, "stop: graceful, code 0; it was cancelled\n" ], 'who waits for the stop hears of it');
	my $v = status_of($r);
	is("$v->{state} " . join(' ', map { "$_->{name} $_->{state}" } @{ $v->{servers} }), 'started w started db started', 'all is as before');
	ok(!$v->{stop}, 'no stop is shown');
	like((http_get("127.0.0.1:$health", '/metrics'))[1], qr/^curfew_stops_cancelled_total 1$/m, 'and one is counted');
	$clients->run($enough->(), $Curfew::PATIENCE);
	my ($reply) = (http_get("127.0.0.1:$port", '/'))[0];
	is($reply, 200, 'served');
	my $s = connect_to("127.0.0.1:$port");
	for my $n (1, 2) {
		syswrite $s, "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
		sysread $s, my $text, 4096;
		ok($text =~ /^HTTP\/1.1 200/ && $text !~ /connection: close/i, "S9.1: a connection is kept again: request $n");
	}
	close $s;
	is(join(' ', traces($r)), 'global hold', 'no hook began after the cancel');
	like($r->log, qr/> told true false.*> serves on/s, 'the hook was told, and who subscribed to it');
	spew("$r->{dir}/go", '');
	unlink "$r->{dir}/traces";
	$r->signal('TERM');
	$clients->run(sub { $r->ended_now }, $Curfew::PATIENCE);
	is($r->wait_exit, 0, 'a later TERM stops') or diag $r->log;
	is(join(' ', traces($r)), 'global hold second db', 'S4.12: with every hook, also those that had run');
	is($clients->{failed}, 0, 'S9.2: no request was lost before, during or after') or diag explain $clients->{reasons};
	like($r->log, qr/the stop is cancelled: all is as before.*w: serves on|w: serves on.*the stop is cancelled: all is as before/s, 'the log tells it');
	unlike($r->log, qr/ (WARN|ERROR) /, 'and nothing else');
}
{
	my $r = run_policy($SERVING);
	my $o = orchestrator($r);
	$r->signal('TERM');
	$r->wait_log(qr/> holds/);
	is((command($r, 'cancel'))[0], 0, 'cancelled');
	unlink "$r->{dir}/traces";
	spew("$r->{dir}/go", '');
	kill 'KILL', $o;
	is($r->wait_exit, 137, 'S8.2: killed after a cancelled stop') or diag $r->log;
	is(join(' ', sort(traces($r))), 'db global hold second', 'S8.2, S4.12: the guardian has every hook run, also those that had run');
}
# Many of them, under load: nothing is lost, nothing is left over.
{
	my $r = run_policy($SERVING);
	my $port = $r->wait_log(qr/> port (\d+)/);
	my $o = orchestrator($r);
	my $descriptors = sub { my $n = () = glob "/proc/$o/fd/*"; return $n };
	status_of($r); # whatever a first connection opens for good
	http_get("127.0.0.1:$port", '/');
	my $before = $descriptors->();
	my $clients = KeepAlive->new(port => $port, clients => 16, again => 1);
	my ($cycles, $bad) = (40, 0);
	my $count = sub { my $n = () = $r->log =~ /$_[0]/g; return $n };
	for my $n (1 .. $cycles) {
		$r->signal('TERM');
		$clients->run(sub { $count->('> holds') >= $n }, $Curfew::PATIENCE);
		my $cancel = begin($r, 'cancel');
		$clients->run(sub { $count->('all is as before') >= $n }, $Curfew::PATIENCE);
		$bad++ if (finish($cancel))[0];
		$clients->run(sub { $_[0]{done} > $n * 20 }, $Curfew::PATIENCE);
	}
	is($bad, 0, "$cycles stops, each of them cancelled") or diag $r->log;
	cmp_ok($clients->{done}, '>', $cycles * 20, 'clients were served all the while');
	is($clients->{failed}, 0, 'S9.2: and lost no request') or diag explain $clients->{reasons};
	$clients->close_all;
	ok(wait_until(sub { $descriptors->() <= $before + 2 }), 'no descriptor is left over'); # two come with the first use of a file
	spew("$r->{dir}/go", '');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'the last stop ends it') or diag $r->log;
	like($r->log, qr/> holds SIGTERM @{[ $cycles + 1 ]}$/m, 'S2.13: the counts of triggers have stayed');
}
# The kernel timer of the old deadline is off.
{
	my $r = run_policy(<<'LUA');
curfew.configure { exit_timeout = "5s", stop_margin = "100ms" }
lua_server "s":pre_stop(function(ctx) say "holds" curfew.sleep "50s" end)
LUA
	$r->signal('INT');
	$r->wait_log(qr/> holds/);
	is((command($r, 'cancel'))[0], 0, 'cancelled in time');
	ok(!wait_until(sub { $r->ended_now }, 5.2), 'S4.8: nothing comes of its exit timeout') or diag $r->log;
	is(status_of($r)->{state}, 'started', 'it is there');
	$r->signal('INT');
	$r->wait_log(qr/> holds.*> holds/s);
	is((command($r, 'hurry'))[0], 0, 'the second stop is steered like the first');
	is($r->wait_exit, 0, 'and ends');
}
{
	my $r = run_policy(<<'LUA');
lua_server "b":pre_stop(function() say "b holds" wait_for "go2" end)
lua_server("a", { "b" }):pre_stop(function() wait_for "go" end)
LUA
	is_deeply([ post($r, '/v1/cancel') ], [ 409, 'state', 'there is no stop' ], 'cancel: refused without a stop');
	is_deeply([ post($r, '/v1/hurry') ], [ 409, 'state', 'there is no stop' ], 'so is hurry');
	is_deeply([ post($r, '/v1/skip/a') ], [ 409, 'state', 'a: there is no stop' ], 'and skip');
	$r->signal('TERM');
	wait_for_phase($r, 'a', 'pre_stop');
	is_deeply([ post($r, '/v1/servers/a/restart') ], [ 409, 'state', 'a: curfew is stopping' ], 'restart: refused in a stop');
	spew("$r->{dir}/go", '');
	$r->wait_log(qr/> b holds/);
	is_deeply([ command($r, 'cancel') ], [ 1, "curfew cancel: something was stopped already\n" ], 'cancel: refused once a server has stopped');
	my $waits = begin($r, 'trigger', 'error', '--wait');
	$r->wait_log(qr/turned into an abort/);
	is_deeply([ post($r, '/v1/cancel') ], [ 409, 'state', 'an abort waits for nothing but its hooks' ], 'cancel: refused in an abort');
	is_deeply([ post($r, '/v1/extend?by=1m') ], [ 409, 'state', 'an abort waits for nothing but its hooks' ], 'so is extend (S4.6)');
	spew("$r->{dir}/go2", '');
	is($r->wait_exit, 1, 'it ends') or diag $r->log;
	finish($waits);
}

# A signal that comes while a cancel waits for a hook.
{
	my $r = run_policy(<<'LUA');
local s = lua_server "s"
s:pre_stop(function(ctx) trace "first" say "holds" repeat curfew.sleep "5ms" until ctx.cancelled say "told" wait_for "go" say("after", ctx.cancelled) end)
s:pre_stop(function() trace "second" end)
LUA
	$r->signal('TERM');
	$r->wait_log(qr/> holds/);
	my $cancel = begin($r, 'cancel');
	$r->wait_log(qr/> told/);
	ok(status_of($r)->{stop}{cancelling}, 'a cancel waits for a hook');
	is_deeply([ post($r, '/v1/hurry') ], [ 409, 'cancelled', 'the stop was cancelled' ], 'nothing else is steered meanwhile');
	$r->signal('TERM');
	is_deeply([ finish($cancel) ], [ 1, "curfew cancel: something came in between, and the stop goes on\n" ], 'a signal makes the stop go on');
	spew("$r->{dir}/go", '');
	is($r->wait_exit, 0, 'it ends') or diag $r->log;
	is(join(' ', traces($r)), 'first second', 'S4.12: with every hook, once');
	like($r->log, qr/> after false/, 'the hook is told of that as well');
}
# S7: after a cancelled stop a policy is reloaded as ever, and the next stop runs its hooks.
{
	my $policy = 'local s = lua_server "s" s:pre_stop(function() trace "%s" if "%s" == "old" then curfew.sleep "50s" end end) s:pre_stop(function() trace "and" end)';
	my $r = run_policy(sprintf $policy, ('old') x 2);
	$r->signal('TERM');
	ok(wait_until(sub { -s "$r->{dir}/traces" }), 'it stops');
	is((command($r, 'cancel'))[0], 0, 'it is cancelled');
	spew("$r->{dir}/policy.lua", $HEAD . sprintf $policy, ('new') x 2);
	like((command($r, 'reload'))[1], qr/^generation 2\n/, 'S7.2: reloaded after a cancelled stop');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'the next stop') or diag $r->log;
	is(join(' ', traces($r)), 'old new and', 'S4.12: with the hooks of today');
}

# ---- rules

{
	my $r = run_policy(<<'LUA');
for _, name in ipairs { "hurry", "extend", "skip", "cancel", "start_server", "stop_server", "restart_server" } do
	curfew.on(name, function(t)
		say("asked", t.name, t.count, t.server and t.server.name, t.by)
		if not curfew_accepts then return curfew.ignore end
		return curfew.accept
	end)
end
lua_server "s":pre_stop(function() say "holds" curfew.sleep "50s" end)
curfew.on("SIGUSR1", function() curfew_accepts = true say "accepts" return curfew.ignore end)
LUA
	my $no = [ 403, 'refused', 'the policy refuses it' ];
	is_deeply([ post($r, "/v1/servers/s/$_") ], $no, "a rule refuses: $_") for qw(start stop restart);
	$r->signal('TERM');
	$r->wait_log(qr/> holds/);
	is_deeply([ post($r, "/v1/$_") ], $no, "a rule refuses: $_") for 'hurry', 'extend?by=2s', 'cancel';
	is_deeply([ post($r, '/v1/skip/s') ], $no, 'a rule refuses: skip');
	is_deeply([ command($r, 'hurry') ], [ 1, "curfew hurry: the policy refuses it\n" ], 'the command says so');
	$r->signal('USR1');
	$r->wait_log(qr/> accepts/);
	is_deeply([ post($r, '/v1/hurry') ], [ 200, 'done' ], 'a rule accepts');
	is($r->wait_exit, 0, 'it ends') or diag $r->log;
	is(join('; ', grep { /asked/ } @{ $r->marks }), join('; ', 'asked start_server 1 s nil', 'asked stop_server 1 s nil', 'asked restart_server 1 s nil',
		'asked hurry 1 nil nil', 'asked extend 1 nil 2.0', 'asked cancel 1 nil nil', 'asked skip 1 s nil', 'asked hurry 2 nil nil', 'asked hurry 3 nil nil'),
		'S2.13: each is a trigger with its count, its server, its time');
}

# ---- one server

{
	my $r = run_policy(<<'LUA');
lua_server "db"
lua_server("web", { "db" })
lua_server "other"
LUA
	is_deeply([ command($r, 'server', 'stop', 'db') ], [ 0, "server: done\n" ], 'curfew server stop');
	my $states = sub { join ' ', map { "$_->{name} $_->{state}" } @{ status_of($r)->{servers} } };
	is($states->(), 'db down web down other started', 'with those that depend on it');
	is_deeply([ post($r, '/v1/servers/web/start') ], [ 200, 'done' ], 'start');
	is($states->(), 'db started web started other started', 'with those that it depends on');
	is((command($r, 'server', 'restart', 'db'))[0], 0, 'curfew server restart');
	ok(wait_until(sub { $states->() eq 'db started web started other started' }), 'with those that depend on it');
	is(join('; ', @{ $r->marks }[3 .. 10]), 'web stops; db stops; db starts; web starts; web stops; db stops; db starts; web starts', 'in order') or diag $r->log;
	is_deeply([ post($r, '/v1/servers/nope/stop') ], [ 404, 'not_found', 'there is no server "nope"' ], 'one that is not there');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'it ends');
}

# ---- by the policy itself

{
	my $r = run_policy(<<'LUA');
local s = lua_server "s"
s:pre_stop(function(ctx)
	say("hook", curfew.cancel())
	curfew.sleep "50s"
	say("cancelled", ctx.cancelled)
end)
curfew.on("cancel", function(t) if t.count ~= 2 then return curfew.ignore end end)
curfew.spawn(function()
	say("none", curfew.hurry())
	say("none", curfew.cancel())
	say("none", curfew.skip "nope")
	say("none", pcall(curfew.skip, 3))
	say("none", pcall(curfew.trigger, "skip"))
	curfew.wait "cancelled"
	s:pre_stop(function() say "late" end)
	curfew.exit(0)
end)
curfew.on("exit", curfew.graceful)
s:pre_stop(function() say(curfew.extend "70s") end)
LUA
	$r->wait_log(qr/none false.*none false[^\n]*\n/s);
	$r->signal('TERM');
	$r->wait_log(qr/> hook.*> hook nil/s);
	is_deeply([ post($r, '/v1/hurry') ], [ 200, 'done' ], 'the stop after that is hurried');
	is($r->wait_exit, 0, 'a hook cancels its own stop; then it exits') or diag $r->log;
	is_deeply([ grep { /^none/ } @{ $r->marks } ],
		[ 'none nil there is no stop EBUSY', 'none nil the policy refuses it EPERM', 'none nil there is no server "nope" ENOENT',
			'none false policy.lua:20: curfew.skip: expected a server or its name, got 3',
			'none false policy.lua:21: curfew.trigger: "skip" is raised by curfew.skip' ],
		'nil, message, code; and misuse is an error');
	like($r->log, qr/> hook true\n.*> cancelled true\n.*> hook nil the policy refuses it EPERM\n.*> cancelled false\n.*> true/s, 'in a hook a cancel is answered when it is accepted') or diag $r->log;
}
{
	my $r = curfew(before => [ '--sandbox', '--control', 's.sock', '--exit-timeout', '60s' ], policy => <<'LUA');
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function()
	curfew.log.info("> hook", curfew.cancel())
	curfew.log.info("> trigger", curfew.trigger "cancel")
	curfew.sleep "50s"
end)
curfew.on("hurry", curfew.ignore)
LUA
	$r->wait_log(qr/started 1 server/);
	$r->signal('TERM');
	$r->wait_log(qr/> trigger/);
	is((command($r, 'hurry'))[0], 0, 'S10.4: what is not trusted refuses no hurry');
	is($r->wait_exit, 0, 'S10.4: and takes no stop back') or diag $r->log;
	like($r->log, qr/> hook nil curfew\.cancel is not allowed in the sandbox.*> trigger nil/s, 'it is told');
}
done_testing;
