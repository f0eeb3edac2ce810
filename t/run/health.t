#!/usr/bin/perl
# health.t: configure.health: /healthz and /readyz, from the policy's first line to the end of the process (S9.1).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Metrics;
use IO::Socket::INET;
use Test::More;

# What holds something up waits for a file, so that the test can look meanwhile.
my $HEAD = <<'LUA';
local curfew = require "curfew"
local function wait_for(name) repeat curfew.sleep "5ms" until curfew.fs.exists(name) end
LUA

sub run_policy {
	my ($policy, %o) = @_;
	my $r = curfew(policy => $HEAD . $policy, %o);
	return ($r, $r->wait_log(qr/health: listening on (.*?)\s*$/m));
}
sub go { my ($r, $name) = @_; spew("$r->{dir}/$name", '') }

my $listen = 'curfew.configure { health = { listen = "127.0.0.1:0" } }';
{
	my ($r, $at) = run_policy(<<"LUA");
$listen
curfew.server { name = "slow", start = function() wait_for "started" end, stop = function() wait_for "stopped" end }
	:pre_stop(function() curfew.log.info "> pre_stop" wait_for "hooked" end)
curfew.post_stop(function() curfew.log.info "> post_stop" wait_for "over" end)
LUA
	like($at, qr/^127\.0\.0\.1:[1-9]\d*$/, 'its real address is logged');
	is_deeply([ (http_get($at, '/healthz'))[0, 1] ], [ 200, "ok\n" ], '/healthz: the loop turns');
	is_deeply([ (http_get($at, '/readyz'))[0, 1] ], [ 503, "starting\n" ], '/readyz while servers start');
	go($r, 'started');
	ok(Curfew::wait_until(sub { ((http_get($at, '/readyz'))[0] // 0) == 200 }), '/readyz once all have started');
	is((http_get($at, '/readyz'))[1], "ok\n", 'ok');

	my ($status, $body, $headers) = http_get($at, '/readyz', method => 'HEAD');
	is($status, 200, 'HEAD');
	is($body, '', 'without a body');
	like($headers, qr/^Content-Length: 3\r?$/mi, 'but its length');
	($status, $body, $headers) = http_get($at, '/readyz', method => 'POST', body => 'x');
	is($status, 405, 'POST');
	like($headers, qr/^Allow: GET, HEAD\r?$/mi, 'says what is allowed');
	is((http_get($at, '/healthz', method => 'BREW'))[0], 405, 'so does any method');
	is((http_get($at, $_))[0], 404, "$_ is nothing") for '/', '/metric', '/readyz/', '/healthzz';
	is((http_get($at, '/readyz?verbose=1'))[0], 200, 'a query changes nothing');

	$r->signal('TERM');
	$r->wait_log(qr/> pre_stop/);
	is_deeply([ (http_get($at, '/readyz'))[0, 1] ], [ 503, "stopping: SIGTERM\n" ], 'S9.1: /readyz from the first stopping trigger on');
	is((http_get($at, '/healthz'))[0], 200, '/healthz in a stop');
	go($r, 'hooked');
	go($r, 'stopped');
	$r->wait_log(qr/> post_stop/);
	is_deeply([ (http_get($at, '/readyz'))[0, 1] ], [ 503, "stopping: SIGTERM\n" ], 'it outlives every server');
	go($r, 'over');
	is($r->wait_exit, 0, 'and is not waited for') or diag $r->log;
	ok(!connect_to($at), 'then it is gone');
}
{
	my ($r, $at) = run_policy("$listen\ncurfew.after('1ms', function() end)");
	is($r->wait_exit, 0, 'S2.8: it does not keep an idle process') or diag $r->log;
}
{
	my ($r, $at) = run_policy(<<"LUA");
$listen
curfew.server { name = "s", start = function() end, stop = function() end }
curfew.after(0, function()
	curfew.stop { exit = false }
	curfew.log.info "> stopped"
	wait_for "again"
	curfew.start()
	curfew.log.info "> started"
	wait_for "end"
end)
LUA
	$r->wait_log(qr/> stopped/);
	is_deeply([ (http_get($at, '/readyz'))[0, 1] ], [ 503, "stopped\n" ], 'S3.4: stopped, the process goes on');
	go($r, 'again');
	$r->wait_log(qr/> started/);
	is((http_get($at, '/readyz'))[0], 200, 'ready again');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'the end');
}
# unix sockets are removed, however the process ends; two addresses; a second configure
my $idle = 'curfew.server { name = "s", start = function() end, stop = function() end }';
for my $case ([ 'graceful', '', 'TERM', 0 ], [ 'abort', 'curfew.on("SIGTERM", curfew.abort(3))', 'TERM', 3 ], [ 'kill', 'curfew.on("SIGTERM", curfew.kill(4))', 'TERM', 4 ]) {
	my ($name, $rule, $sig, $code) = @$case;
	my ($r, $at) = run_policy(qq{curfew.configure { health = { listen = { "unix:health.sock", "127.0.0.1:0" } } }\n$rule\n$idle});
	my ($tcp) = $at =~ /^unix:health\.sock, (127\S+)$/ or diag $at;
	ok(Curfew::wait_until(sub { ((http_get($tcp, '/readyz'))[0] // 0) == 200 }), "$name: several addresses");
	is((http_get("unix:$r->{dir}/health.sock", '/readyz'))[0], 200, "$name: a unix socket");
	$r->signal($sig);
	is($r->wait_exit, $code, "$name: code");
	ok(!-e "$r->{dir}/health.sock", "$name: the unix socket is removed");
}
{
	my ($r, $at) = run_policy(<<"LUA");
$listen
$listen
$idle
curfew.after(0, function()
	curfew.configure { strict = true }
	curfew.configure { health = { listen = "unix:other.sock" } }
	curfew.log.info "> moved"
end)
LUA
	$r->wait_log(qr/> moved/);
	ok(!connect_to($at), 'configured for another address it leaves the first');
	is((http_get("unix:$r->{dir}/other.sock", '/healthz'))[0], 200, 'and answers there');
	is(scalar(() = $r->log =~ /health: listening/g), 2, 'the same address again changes nothing');
	unlike($r->log, qr/not supported/, 'health is supported');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'the end');
}
{
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0') or die $!;
	my $at = '127.0.0.1:' . $taken->sockport;
	my $r = curfew(policy => qq{local curfew = require "curfew"\ncurfew.configure { health = { listen = "$at" } }\n$idle});
	is($r->wait_exit, 2, 'an address in use: the policy does not load');
	like($r->log, qr/policy\.lua:2: .*health: cannot listen on \Q$at\E: Address already in use/, 'the message names the line and the address');
	unlike($r->log, qr/started/, 'nothing was started');
}

# ---- metrics

{
	my ($r, $at) = run_policy(<<'LUA', before => ['--control', 'control.sock']);
curfew.configure { health = { listen = "127.0.0.1:0" } }
local web = curfew.http { name = 'we"b\\', listen = "127.0.0.1:0", routes = {
	["GET /"] = function() return "served" end,
	["GET /bad"] = function() error "boom" end,
	["GET /loop"] = function() while true do end end,
} }
curfew.process { name = "p", command = { "sleep", "99" } }
web:pre_stop(function() curfew.log.info "> pre_stop" wait_for "over" end)
web:post_start(function() curfew.log.info("> at " .. web.address) end)
curfew.on("SIGUSR1", curfew.ignore)
curfew.on("SIGUSR2", curfew.reload)
LUA
	my $web = $r->wait_log(qr/> at (\S+)/);
	$r->wait_log(qr/started 2 servers/);
	http_get($web, $_) for '/', '/', '/bad', '/loop', '/none';
	$r->signal('USR1');
	$r->wait_log(qr/SIGUSR1: ignore/);
	my ($status, $text, $headers) = http_get($at, '/metrics');
	is($status, 200, '/metrics');
	like($headers, qr{^Content-Type: text/plain; version=0\.0\.4; charset=utf-8\r?$}mi, 'its type');
	my ($v, @wrong) = parse_metrics($text);
	is("@wrong", '', 'Prometheus can read it');
	my $s = 'server="we\"b\\\\",kind="http"';
	my %want = ('curfew_state{state="started"}' => 1, 'curfew_state{state="stopping"}' => 0, 'curfew_servers{state="started"}' => 2,
		'curfew_stopping' => 0, "curfew_server_up{$s}" => 1, 'curfew_server_up{server="p",kind="process"}' => 1,
		"curfew_http_requests_total{$s}" => 5, "curfew_request_errors_total{$s}" => 2, "curfew_request_limits_total{$s}" => 1,
		'curfew_http_replies_total{server="we\"b\\\\",code="2xx"}' => 2, 'curfew_http_replies_total{server="we\"b\\\\",code="5xx"}' => 2,
		'curfew_http_replies_total{server="we\"b\\\\",code="4xx"}' => 1, 'curfew_triggers_total{trigger="SIGUSR1"}' => 1,
		'curfew_decisions_total{decision="ignore"}' => 1, 'curfew_policy_generation' => 1, 'curfew_hooks_total{phase="post_start",outcome="ok"}' => 1,
		'curfew_reloads_total{result="done"}' => 0);
	is($v->{$_}, $want{$_}, "$_ is $want{$_}") for sort keys %want;
	cmp_ok($v->{curfew_policy_memory_bytes}, '>', 10000, 'the memory of Lua');
	ok(!exists $v->{curfew_stop_remaining_seconds}, 'no stop, no time that is left of it');
	my ($c, @bad) = parse_metrics((http_get("unix:$r->{dir}/control.sock", '/v1/metrics'))[1]);
	is("@bad", '', 'the control API has the same');
	is(join(' ', sort map { s/\{.*//r } keys %$c), join(' ', sort map { s/\{.*//r } keys %$v), 'all of it');

	$r->signal('USR2');
	$r->wait_log(qr/generation 2 of the policy is in force/);
	my $policy = slurp("$r->{dir}/policy.lua");
	spew("$r->{dir}/policy.lua", 'error "x"');
	$r->signal('USR2');
	$r->wait_log(qr/reload: refused/);
	spew("$r->{dir}/policy.lua", $policy);
	($v, @wrong) = parse_metrics((http_get($at, '/metrics'))[1]);
	is(join(' ', @$v{'curfew_policy_generation', 'curfew_reloads_total{result="done"}', 'curfew_reloads_total{result="refused"}'}), '2 1 1', 'S7: reloads are counted');

	$r->signal('TERM');
	$r->wait_log(qr/> pre_stop/);
	($v, @wrong) = parse_metrics((http_get($at, '/metrics'))[1]);
	is("@wrong", '', 'in a stop it can be read, too');
	is(join(' ', @$v{'curfew_stopping', 'curfew_stops_total{mode="graceful"}', 'curfew_server_up{' . $s . '}', 'curfew_triggers_total{trigger="SIGTERM"}'}), '1 1 0 1', 'and says so');
	cmp_ok($v->{curfew_stop_remaining_seconds}, '<=', 5, 'with the time that is left');
	go($r, 'over');
	is($r->wait_exit, 0, 'the end');
}

# ---- hold: S9.1, requests are served until the balancer has seen that no more should come

my $web = 'local web = curfew.http { name = "web", listen = "127.0.0.1:0", handler = function() return "served" end }
web:post_start(function() curfew.log.info("> at " .. web.address) end) web:pre_stop(function() curfew.log.info "> pre_stop" end)';
{
	my ($r, $at) = run_policy(qq{curfew.configure { exit_timeout = "60s", health = { listen = "127.0.0.1:0", hold = "50s", probes = 3 } }\n$web});
	my $address = $r->wait_log(qr/> at (\S+)/);
	ok(Curfew::wait_until(sub { ((http_get($at, '/readyz'))[0] // 0) == 200 }), 'hold: ready');
	$r->signal('TERM');
	for my $n (1 .. 3) {
		ok(Curfew::wait_until(sub { ((http_get($at, '/readyz'))[0] // 0) == 503 }), "hold: probe $n is told") if $n == 1;
		is((http_get($at, '/readyz'))[0], 503, "hold: probe $n is told") if $n > 1;
		is((http_get($address, '/'))[1], 'served', 'hold: and requests are served') if $n < 3;
		unlike($r->log, qr/> pre_stop/, 'hold: no server has begun to stop') if $n < 3;
	}
	is($r->wait_exit, 0, 'hold: after the third it goes on');
	like($r->log, qr/> pre_stop/, 'hold: with the rest');
}
{
	my ($r, $at) = run_policy(qq{curfew.configure { health = { listen = "127.0.0.1:0", hold = "200ms" } }\n$web});
	$r->wait_log(qr/> at (\S+)/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'hold: its time passes');
	cmp_ok($r->took, '>=', 0.2, 'hold: not sooner');
}
{
	my ($r, $at) = run_policy(qq{curfew.configure { health = { listen = "127.0.0.1:0", hold = "50s" } }\ncurfew.on("SIGTERM", curfew.abort(3))\n$web});
	$r->wait_log(qr/> at (\S+)/);
	$r->signal('TERM');
	is($r->wait_exit, 3, 'hold: an abort does not wait for it');
	cmp_ok($r->took, '<', 4, 'hold: at all');
}
{
	my ($r, $at) = run_policy(qq{curfew.configure { exit_timeout = "60s", health = { listen = "127.0.0.1:0", hold = "50s" } }\ncurfew.on("SIGHUP", curfew.abort(3)) curfew.subscribe("aborting", function() curfew.log.info "> aborting" end)\n$web});
	$r->wait_log(qr/> at (\S+)/);
	$r->signal('TERM');
	$r->wait_log(qr/stop: graceful/);
	$r->signal('HUP');
	is($r->wait_exit, 3, 'S4.5: hold: a stop that becomes an abort does not wait for it');
	cmp_ok($r->took, '<', 40, 'S4.5: any longer');
	is(join(', ', grep { !/^at/ } @{ $r->marks }), 'pre_stop, aborting', 'S4.5: and runs the hooks') or diag $r->log;
}
{
	my ($r, $at) = run_policy(qq{curfew.configure { exit_timeout = "2s", health = { listen = "127.0.0.1:0", hold = "1.8s" } }\n$web});
	$r->wait_log(qr/> at (\S+)/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'hold: one that leaves no time is kept for half of it') or diag $r->log;
	like($r->log, qr/WARN  health\.hold, 1\.8s, leaves a stop too little of its [12](?:\.[0-9]+)?s: it is kept for half of that/, 'which is logged');
}
for (['health = { listen = "127.0.0.1:0", probes = 3 }', qr/policy\.lua:3: curfew\.configure: health\.probes ends a health\.hold, and there is none/],
	['health = { listen = "127.0.0.1:0", hold = "soon" }', qr/policy\.lua:3: curfew\.configure: health\.hold: /],
	['health = { listen = "127.0.0.1:0", hold = "1s", probes = 0 }', qr/policy\.lua:3: curfew\.configure: health\.probes: expected a whole number from 1/]) {
	my ($conf, $said) = @$_;
	my $r = curfew(policy => "$HEAD curfew.configure { $conf }");
	is($r->wait_exit, 2, "$conf: refused");
	like($r->log, $said, "$conf: the error says why");
}

# ---- bounds: whoever is slow, huge or many holds up nobody

{
	my ($r, $at) = run_policy("$listen\n$idle");
	$r->wait_log(qr/started 1 server/);
	my @open = map { connect_to($at) } 1 .. 100;
	is((http_get($at, '/healthz'))[0], 200, 'a hundred that ask nothing keep nobody out');
	undef @open;
	my $half = connect_to($at);
	print {$half} "GET /readyz HT";
	is((http_get($at, '/healthz'))[0], 200, 'nor does half a request');
	my $huge = connect_to($at);
	print {$huge} "GET /readyz HTTP/1.1\r\nX: " . ('x' x 20000) . "\r\n\r\n";
	my $answer = '';
	while (IO::Select->new($huge)->can_read($Curfew::PATIENCE)) { sysread($huge, $answer, 4096, length $answer) or last }
	like($answer, qr{^HTTP/1\.1 431 }, 'a huge head is refused');
	$answer = '';
	my $body = connect_to($at);
	print {$body} "POST /readyz HTTP/1.1\r\nContent-Length: 100000\r\n\r\n";
	while (IO::Select->new($body)->can_read($Curfew::PATIENCE)) { sysread($body, $answer, 4096, length $answer) or last }
	like($answer, qr{^HTTP/1\.1 413 }, 'a huge body is refused before it comes');
	# 10 s is the bound; drops in between do not renew it.
	$answer = '';
	for (1 .. 6 * $Curfew::PATIENCE) {
		print {$half} 'T' if $half->connected;
		next if !IO::Select->new($half)->can_read(0.5);
		sysread($half, $answer, 4096, length $answer) or last;
	}
	like($answer, qr{^HTTP/1\.1 408 .*"code":"timeout"}s, 'a request that does not come in time is answered, and its connection closed');
	$half = connect_to($at);
	print {$half} "GET /readyz HT";
	$r->signal('TERM');
	is($r->wait_exit, 0, 'who still sends half a request holds up no end');
}
done_testing;
