#!/usr/bin/perl
# health.t: configure.health: /healthz and /readyz, from the policy's first line to the end of the process (S9.1).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
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
	is((http_get($at, $_))[0], 404, "$_ is nothing") for '/', '/metrics', '/readyz/', '/healthzz';
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
done_testing;
