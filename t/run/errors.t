#!/usr/bin/perl
# errors.t: S4.2, S6.4: the request whose error, or whose exit call, ends the process still gets its answer.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use IO::Select;
use Test::More;
use Time::HiRes qw(time);

my $TIMES = $ENV{SAN} ? 5 : 20;

my $policy = <<'LUA';
local curfew = require "curfew"
curfew.configure { strict = %s }
local web = curfew.http {
	name = "web", listen = "127.0.0.1:0",
	routes = {
		["GET /bad"] = function() %s end,
		["GET /"] = function() return "hello\n" end,
		["GET /big"] = function() return ("x"):rep(24 * 1024 * 1024) end,
	},
}
web:pre_stop(function() curfew.log.info "> pre_stop" end)
web:post_start(function() curfew.log.info("> at", web.address) end)
LUA

sub run_policy {
	my ($strict, $handler) = @_;
	my $r = curfew(policy => sprintf $policy, $strict, $handler);
	return ($r, $r->wait_log(qr/> at (\S+)/));
}

# What comes back on a connection until its end.
sub rest_of {
	my ($s) = @_;
	my $text = '';
	my $sel = IO::Select->new($s);
	while ($sel->can_read($Curfew::PATIENCE)) {
		last unless sysread $s, $text, 65536, length $text;
	}
	return $text;
}

for my $case (
	['S6.4: strict, an error in a handler', 'true', 'error "boom"', 1],
	['S6.4: strict, an error after a wait', 'true', 'curfew.sleep(0.001) error "boom"', 1],
	['S4.2: os.exit(4) in a handler', 'false', 'os.exit(4)', 4],
	['S4.2: curfew.exit(9) in a handler', 'false', 'curfew.exit(9)', 9],
	['S4.2: os.exit(4) in a callback of a handler', 'false', 'curfew.fs.exists("/", function() os.exit(4) end)', 4],
) {
	my ($name, $strict, $handler, $code) = @$case;
	my (%status, %code, $hooks);
	for (1 .. $TIMES) {
		my ($r, $at) = run_policy($strict, $handler);
		# one connection that was used before, one that was not
		my $s = connect_to($at);
		if ($_ % 2) {
			print $s "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
			sysread $s, my $first, 4096;
		}
		print $s "GET /bad HTTP/1.1\r\nHost: x\r\n\r\n";
		$status{ rest_of($s) =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'nothing' }++;
		$code{ $r->wait_exit }++;
		$hooks += @{ $r->marks } == 2;
	}
	is_deeply(\%status, { 500 => $TIMES }, "$name: the client has its 500");
	is_deeply(\%code, { $code => $TIMES }, "$name: code $code");
	is($hooks, $TIMES, "$name: the pre_stop hooks ran");
}

# Somebody who takes nothing of a reply, and one who takes it slowly, while another request ends the process.
{
	my ($r, $at) = run_policy('true', 'error "boom"');
	my $deaf = connect_to($at);
	print $deaf "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
	ok(IO::Select->new($deaf)->can_read($Curfew::PATIENCE), 'a big reply is on its way to somebody who does not read');
	my $s = connect_to($at);
	my $t = time;
	print $s "GET /bad HTTP/1.1\r\nHost: x\r\n\r\n";
	like(rest_of($s), qr{^HTTP/1\.1 500 }, 'S4.2: the one whose error it is has its 500');
	is($r->wait_exit, 1, 'S4.2: the code');
	cmp_ok(time - $t, '<', 1, 'S4.2: who does not read does not hold the end up') unless $ENV{SAN};
	like($r->log, qr/request cut.*writing the reply/, 'S9.4: that its reply is cut is logged');
}
{
	my ($r, $at) = run_policy('true', 'error "boom"');
	my $s = connect_to($at);
	print $s "GET /big HTTP/1.1\r\nHost: x\r\n\r\n";
	IO::Select->new($s)->can_read($Curfew::PATIENCE);
	my $bad = connect_to($at);
	print $bad "GET /bad HTTP/1.1\r\nHost: x\r\n\r\n";
	like(rest_of($bad), qr{^HTTP/1\.1 500 }, 'S4.2: a 500 beside a big reply');
	rest_of($s);
	is($r->wait_exit, 1, 'S4.2: the code');
}

done_testing;
