#!/usr/bin/perl
# drain.t: S9, a stop under load loses nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use KeepAlive;
use Time::HiRes qw(time);
use Test::More;

my $STOPS = $ENV{CURFEW_DRAIN_STOPS} || 50;

my $POLICY = <<'LUA';
local curfew = require "curfew"
curfew.configure { exit_timeout = "20s" }
local web = curfew.http {
	name = "web", listen = "127.0.0.1:0",
	routes = {
		["GET /"] = function() curfew.sleep("20ms") return "hello\n" end,
		["GET /slow"] = function() curfew.log.info("> slow begun") curfew.sleep("400ms") return "slow\n" end,
		["GET /never"] = function() curfew.log.info("> never begun") curfew.sleep("1h") return "never\n" end,
		["GET /tick"] = function(req, res) for i = 1, 5 do res:write("tick " .. i .. "\n") curfew.sleep("50ms") end res:finish() end,
	},
}
web:post_start(function() curfew.log.info("READY " .. web.address) end)
%s
LUA

# S9.2
{
	my %sum = (sent => 0, done => 0, failed => 0, owed => 0, refused => 0);
	my (%codes, %reasons, $stops_under_load);
	for my $i (1 .. $STOPS) {
		my $r = curfew(policy => sprintf($POLICY, ''));
		my $addr = $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/);
		my $load = KeepAlive->new(port => $addr, clients => 64, again => 1);
		# at a different moment of the waves each time: after 130 requests and some
		my $enough = 130 + $i * 7;
		$load->run(sub { $_[0]{done} >= $enough }, 20);
		$stops_under_load++ if $load->owed > 0;
		$r->signal('TERM');
		$load->run(sub { $r->ended_now }, 20);
		$codes{ $r->wait_exit }++;
		$load->run(sub { $_[0]->owed == 0 }, 0.2); # what was in the air when it ended
		$sum{owed} += $load->owed;
		$sum{$_} += $load->{$_} for qw(sent done failed refused);
		$reasons{$_} += $load->{reasons}{$_} for keys %{ $load->{reasons} };
		$load->close_all;
	}
	is($stops_under_load, $STOPS, "S9.2: each of $STOPS stops came under load");
	is($sum{failed} + $sum{owed}, 0, "S9.2: $sum{sent} requests of 64 keep-alive clients over $STOPS stops, none failed") or diag explain \%reasons;
	is_deeply(\%codes, { 0 => $STOPS }, 'S9.2: code 0 each time');
	note "sent $sum{sent}, answered $sum{done}, failed $sum{failed}, owed $sum{owed}, refused connects $sum{refused}";
}

# S9.1: what a client sees during pre_stop: still served, told to close
{
	my $r = curfew(policy => sprintf($POLICY, <<'LUA'));
web:pre_stop(function() curfew.log.info("> holding") curfew.sleep("500ms") end)
LUA
	my $port = $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/);
	my $s = connect_to("127.0.0.1:$port");
	my $ask = sub { print $s "GET / HTTP/1.1\r\nHost: x\r\n\r\n"; my $t = ''; while ($t !~ /hello\n/) { sysread $s, $t, 4096, length $t or last } $t };
	unlike($ask->(), qr/^connection: close/mi, 'S9.1: before the stop connections are kept');
	$r->signal('TERM');
	$r->wait_log(qr/> holding/);
	like($ask->(), qr/^HTTP\/1\.1 200.*^connection: close/msi, 'S9.1: during pre_stop requests are served, with Connection: close');
	my ($status) = http_get("127.0.0.1:$port", '/');
	is($status, 200, 'S9.1: and new connections are let in');
	is($r->wait_exit, 0, 'it ends well');
	ok(!connect_to("127.0.0.1:$port"), 'S9.1: then the listener is closed');
}

# requests under way finish; the rest is cut at the deadline
{
	my $r = curfew(policy => sprintf($POLICY, ''));
	my $port = $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/);
	my @s = map { connect_to("127.0.0.1:$port") } 1 .. 3;
	print { $s[0] } "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
	print { $s[1] } "GET /tick HTTP/1.1\r\nHost: x\r\n\r\n";
	$r->wait_log(qr/> slow begun/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S9.1: a stop with requests under way');
	my ($slow, $tick) = map { local $/; my $s = $_; <$s> } @s[0, 1];
	like($slow, qr/200 OK.*slow\n$/s, 'S9.1: a request under way is finished');
	like($tick, qr/tick 5\n/, 'S9.1: so is a reply that streams');
	cmp_ok($r->took, '<', 10, 'field 18: a connection that never sent anything does not block the stop');
}
{
	my $r = curfew(policy => sprintf($POLICY, ''), before => ['--exit-timeout', '600ms']);
	my $port = $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/);
	my $s = connect_to("127.0.0.1:$port");
	print $s "GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
	$r->wait_log(qr/> never begun/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S4.7: a request that never ends is cut at the margin, 255');
	like($r->log, qr/web.*(?:in flight|in_flight|under way|cut)/, 'S9.4: and what was in flight is logged');
}

# a unix socket, several listeners
{
	my $dir = File::Temp->newdir(TMPDIR => 1);
	my $r = curfew(policy => <<LUA);
local curfew = require "curfew"
local web = curfew.http { name = "web", listen = { "127.0.0.1:0", "unix:$dir/web.sock" }, routes = { ["GET /"] = function() return "both" end } }
web:post_start(function() curfew.log.info("READY " .. web.address) end)
LUA
	my $port = $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/);
	is((http_get("127.0.0.1:$port", '/'))[1], 'both', 'several listeners: TCP');
	is((http_get("unix:$dir/web.sock", '/'))[1], 'both', 'several listeners: a unix socket');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'both are closed');
	ok(!-e "$dir/web.sock", 'and the socket file is gone');
}

# HTTP details at the binary's edge
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
local web = curfew.http {
	name = "web", listen = "127.0.0.1:0", max_body = "1KB",
	routes = {
		["GET /"] = function() return "hello\n" end,
		["GET /teapot"] = function() return 418, "short\n", { ["Content-Type"] = "text/plain", ["X-A"] = "b" } end,
		["POST /save"] = function(req, res) curfew.fs.exists("/", function(yes) res:send(yes and 200 or 500, "done " .. #req.body .. "\n") end) end,
		["GET /boom"] = function() error "boom" end,
		["GET /nothing"] = function() end,
		["GET /users/:id"] = function(req) return "user " .. req.params.id end,
	},
}
web:post_start(function() curfew.log.info("READY " .. web.address) end)
LUA
	my $at = '127.0.0.1:' . $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/);
	is(join('|', (http_get($at, '/'))[0, 1]), "200|hello\n", 'a string is 200');
	my ($status, $body, $head) = http_get($at, '/teapot');
	is("$status|$body", "418|short\n", 'status, body, headers');
	like($head, qr/^X-A: b/mi, 'the headers given');
	is(join('|', (http_get($at, '/save', method => 'POST', body => 'x' x 10))[0, 1]), "200|done 10\n", 'callback style');
	is((http_get($at, '/save', method => 'POST', body => 'x' x 5000))[0], 413, 'a body over the limit: 413');
	is((http_get($at, '/nowhere'))[0], 404, 'an unknown path: 404');
	is((http_get($at, '/save'))[0], 405, 'another method: 405');
	is((http_get($at, '/boom'))[0], 500, 'S6.2: an error in a handler: 500');
	is((http_get($at, '/nothing'))[0], 500, 'S6.3: no reply at all: 500');
	is((http_get($at, '/users/42'))[1], 'user 42', 'a parameter in the path');
	($status, $body, $head) = http_get($at, '/', method => 'HEAD');
	is("$status|$body", '200|', 'HEAD: no body');
	like($head, qr/^Content-Length: 6/mi, 'HEAD: the length all the same');
	my $s = connect_to($at);
	print $s "GET / HTTP/1.0\r\n\r\n";
	my $text = do { local $/; <$s> };
	like($text, qr/200 OK.*hello\n$/s, 'HTTP/1.0: a reply, then the end');
	is((http_get($at, '/'))[0], 200, 'after all that it still serves');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'and stops');
}

# tcp
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
local echo = curfew.tcp { name = "echo", listen = "127.0.0.1:0", handler = function(conn)
	for chunk in conn:chunks() do conn:write(chunk) end
end }
echo:post_start(function() curfew.log.info("READY " .. echo.address) end)
LUA
	my $s = connect_to('127.0.0.1:' . $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/));
	print $s "abc";
	sysread $s, my $got, 100;
	is($got, 'abc', 'curfew.tcp: an echo');
	shutdown $s, 1;
	$r->signal('TERM');
	is($r->wait_exit, 0, 'curfew.tcp: stops when its connections have ended');
}

done_testing;
