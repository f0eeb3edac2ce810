#!/usr/bin/perl
# forced.t: the exit timeout holds whatever anybody does (S4.8), and a hook that hangs takes nobody else along (S4.9).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $RUNS = $ENV{CURFEW_FORCED_RUNS} || 100;

# Three servers side by side; the hook of the second loops for ever.
my $POLICY = <<'LUA';
local curfew = require "curfew"
curfew.configure { %s }
for _, name in ipairs { "a", "b", "c" } do
	local s = curfew.server { name = name, start = function() end, stop = function() end }
	s:pre_stop(function()
		curfew.log.info("> " .. name)
		if name == "b" then
			while true do end
		end
	end)
end
curfew.on("SIGTERM", curfew.graceful(0))
curfew.server { name = "last", after = { "a", "b", "c" }, start = function() curfew.log.info("READY") end, stop = function() end }
LUA

# What the machine adds; the bound itself is in the contract. A run that is later than this is not noise.
my $NOISE = $ENV{CURFEW_PATIENCE} ? 10 : 2;

sub one {
	my ($conf) = @_;
	my $r = curfew(policy => sprintf($POLICY, $conf));
	$r->wait_log(qr/READY/);
	$r->signal('TERM');
	my $code = $r->wait_exit;
	return ($code, join(' ', sort @{ $r->marks }), $r->took, $r);
}

{
	my (%codes, %marks, $worst);
	for (1 .. $RUNS) {
		my ($code, $marks, $took, $r) = one('exit_timeout = "5s"');
		$codes{$code}++;
		$marks{$marks}++;
		$worst = $took if !defined $worst or $took > $worst;
	}
	is_deeply(\%codes, { 1 => $RUNS }, "S4.9: $RUNS runs, the loop is cut by hook_cpu_limit, code 1");
	is_deeply(\%marks, { 'a b c' => $RUNS }, 'S4.12: every pre_stop hook ran each time');
	cmp_ok($worst, '<', 0.1 + $NOISE, 'S4.9: the stop went on at the limit, long before the exit timeout');
	note sprintf 'hook_cpu_limit: worst of %d runs %.0f ms', $RUNS, 1000 * $worst;
}

{
	my (%codes, %marks, $worst);
	for (1 .. $RUNS) {
		my ($code, $marks, $took, $r) = one('exit_timeout = "300ms", hook_cpu_limit = "10s"');
		$codes{$code}++;
		$marks{$marks}++;
		$worst = $took if !defined $worst or $took > $worst;
	}
	is_deeply(\%codes, { 255 => $RUNS }, "S4.8: $RUNS runs, the limit past the exit timeout, code 255");
	is_deeply(\%marks, { 'a b c' => $RUNS }, 'S4.12: every pre_stop hook ran each time');
	cmp_ok($worst, '<', 0.3 + $NOISE, 'S4.8: within the exit timeout');
	note sprintf 'exit timeout of 300 ms: worst of %d runs %.0f ms', $RUNS, 1000 * $worst;
}

# The loop blocked, in Lua and in C, before and during a stop: code 255 in time.
my @blocked = (
	['in the main script', 'curfew.log.info("READY") while true do end', ''],
	['in the main script, in pcall', 'curfew.log.info("READY") while true do pcall(function() while true do end end) end', ''],
	['in a timer', '', 'curfew.after(0, function() curfew.log.info("READY") while true do end end)'],
	['in a pathological pattern', '', 'curfew.after(0, function() curfew.log.info("READY") string.find(string.rep("a", 40), string.rep("a?", 40) .. string.rep("a", 40) .. "b") end)'],
	['in a C call that never returns', '', 'curfew.after(0, function() curfew.log.info("READY") io.open "nobody" end)'],
	['in a hook, in C', '', 'curfew.after(0, function() curfew.log.info("READY") end) srv:pre_stop(function() io.open "nobody" end)'],
);
for my $b (@blocked) {
	my ($where, $main, $started) = @$b;
	my $r = curfew(policy => <<LUA);
local curfew = require "curfew"
curfew.configure { exit_timeout = "400ms", hook_cpu_limit = "60s" }
curfew.on("SIGUSR1", curfew.ignore)
local srv = curfew.server { name = "srv", start = function() end, stop = function() end }
$started
$main
LUA
	$r->wait_log(qr/READY/);
	$r->signal('TERM');
	my $code = $r->wait_exit;
	is($code, 255, "S4.8: the loop blocked $where: 255") or diag $r->log;
	cmp_ok($r->took, '<', 0.4 + $NOISE, "S4.8: $where: in time");
	is(join(' ', $r->left_behind), '', "S4.8: $where: nothing is left");
}

# S2.19: with the loop stalled the third stopping signal ends it at once, long before the exit timeout.
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.configure { exit_timeout = "1m", max_exit_timeout = "1m", hook_cpu_limit = "5m" }
curfew.process { name = "child", command = { "sleep", "600" } }
curfew.server { name = "srv", after = { "child" }, start = function() end, stop = function() end }:post_start(function()
	curfew.after(0, function() curfew.log.info("READY") io.open "nobody" end)
end)
LUA
	$r->wait_log(qr/READY/);
	my $sent = 0;
	Curfew::wait_until(sub { $r->signal('TERM') if !$r->ended_now; $sent++; select undef, undef, undef, 0.1; $r->ended_now });
	is($r->wait_exit, 255, 'S2.19: a third signal with the loop stalled forces the end');
	cmp_ok($sent, '>=', 3, 'S2.19: not before the third');
	is(join(' ', $r->left_behind), '', 'S2.19: and no child is left');
}

# S2.19: a signal that came while another one was decided on keeps its own deadline, although that one is ignored.
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.configure { exit_timeout = "1s", hook_cpu_limit = "60s" }
curfew.server { name = "srv", start = function() curfew.log.info("READY") end, stop = function() end }
curfew.on("SIGINT", function(t)
	curfew.log.info("DECIDING")
	local begun = os.clock()
	while os.clock() - begun < 0.5 do end
	curfew.spawn(function() io.open "nobody" end)
	return curfew.ignore
end)
LUA
	$r->wait_log(qr/READY/);
	kill 'INT', $r->{pid};
	$r->wait_log(qr/DECIDING/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S2.19: TERM while INT is decided on, then the loop is blocked: 255');
	cmp_ok($r->took, '<', 1 + $NOISE, 'S2.19: in time');

	# both are taken over in one turn; INT is ignored, the rule for TERM blocks in C
	$r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.configure { exit_timeout = "1s", hook_cpu_limit = "60s" }
curfew.server { name = "srv", start = function() end, stop = function() end }:post_start(function()
	curfew.after(0, function()
		curfew.log.info("READY")
		local begun = os.clock()
		while os.clock() - begun < 0.5 do end
	end)
end)
curfew.on("SIGINT", curfew.ignore)
curfew.on("SIGTERM", function(t) io.open "nobody" end)
LUA
	$r->wait_log(qr/READY/);
	kill 'INT', $r->{pid};
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S2.19: of two signals in one turn the second one still has its deadline: 255');
	cmp_ok($r->took, '<', 1 + $NOISE, 'S2.19: in time');
}

# S2.19: a provisional deadline is taken back where the decision does not stop.
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.configure { exit_timeout = "200ms" }
curfew.on("SIGTERM", function(t)
	curfew.log.info("> TERM " .. t.count)
	if t.count == 1 then
		curfew.after("600ms", function() curfew.log.info("> alive") curfew.stop() end)
		return curfew.ignore
	end
end)
curfew.server { name = "srv", start = function() curfew.log.info("READY") end, stop = function() end }
LUA
	$r->wait_log(qr/READY/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S2.19: ignored: nothing is forced');
	is(join(', ', @{ $r->marks }), 'TERM 1, alive', 'S2.19: it lived on past the exit timeout');
}

done_testing;
