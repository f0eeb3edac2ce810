#!/usr/bin/perl
# explore.t: 100,000 random schedules, most of them with faults; what --faults says and takes; sim.schedule.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $N = $ENV{SAN} ? 10_000 : 100_000;
my $out = `CURFEW='$BIN' '$FindBin::Bin/run' $N 1 2>&1`;
is($? >> 8, 0, 'S3, S4, S7: nothing is broken') or diag $out;
like($out, qr/^$N schedules, 5 policies, seed 1, \d+ a second: nothing is broken$/m, "in $N schedules");

my $dir = File::Temp->newdir('curfew-explore-XXXXXX', TMPDIR => 1);
my $policy = "$FindBin::Bin/policies/reload.lua";
spew("$dir/bad.lua", <<'LUA');
local curfew = require "curfew"
local web = curfew.http { name = "w\"eb", listen = "127.0.0.1:0", routes = {} }
web:pre_stop(function() end)
web:pre_stop(function() end)
curfew.on("closed", function(t) return t.nothing.here end)
curfew.on("reload", function(t) return t.count > 1 and "no" or nil end)
LUA

sub run {
	my $said = `'$BIN' test @_ 2>&1`;
	return ($? & 127 ? "signal $?" : $? >> 8, $said);
}

my ($code, $said) = run("--explore 20000 --faults --seed 1 $dir/bad.lua");
is($code, 1, 'a mistake of a policy is found with faults as well');
like($said, qr/again with: curfew test --explore 1 --seed \d+ --faults/, 'and how to have it again');
my ($again) = $said =~ /again with: curfew test (.*)$/m;
my ($code2, $said2) = run($again);
is(($said2 =~ /^# (.*)/m)[0], ($said =~ /^# (.*)/m)[0], 'which says the same');
my ($test) = $said =~ /^# as a test:\n((?:# .*\n)+?# \}\)\n)/m;
ok($test, 'it is printed as a test') or diag $said;
$test =~ s/^# //mg;
spew("$dir/bad_test.lua", $test);
($code, my $told) = run("$dir/bad_test.lua");
is($code, 1, 'the test fails');
is(($told =~ /^# (.*)/m)[0], ($said =~ /^# (.*)/m)[0], 'in the same words');

# Each kind of item has its effect: what is told of a schedule that ends badly names it.
spew("$dir/all_test.lua", <<"LUA");
local sim = require "curfew.sim"
sim.schedule("nothing happens", "$policy", {})
sim.schedule("everything happens", "$dir/bad.lua", {
	{ server = 'w"eb', starts = "1s", lives = "700ms", dies = "2s", signal = 9, code = 1, stops = false, cut = "20ms" },
	{ hook = 'w"eb pre_stop 2', takes = "3ms", fails = true },
	{ hook = 'w"eb pre_stop', full = true, exits = 3, extends = "1s" },
	{ trigger = "stop", at = "3s", exit = false, asks = true },
	{ trigger = "restart_server", of = 'w"eb', at = "3500ms" },
	{ trigger = "extend", by = "30s", at = "3500ms", times = 3 },
	{ answer = 3, again = "1ms" },
	{ answer = 4, late = "2s" },
	{ reload = "broken", takes = "1s", replaced = 'w"eb' },
	{ memory = 9, all = true },
	{ question = 2, memory = 3 },
	{ finish = "9s" },
})
LUA
($code, $said) = run("$dir/all_test.lua");
like($said, qr/^ok 1 - nothing happens$/m, 'sim.schedule: a schedule that breaks nothing');
like($said, qr/^not ok 2 - everything happens$/m, 'and one that does') or diag $said;
for my $words ('is ready after 1s; dies 700ms after each start; dies at 2s by SIGKILL; never stops; is gone 20ms after it is cut',
	'takes 3ms, then fails', 'asks for 1s more, takes all its time, then calls os.exit(3)', '3s: stop without an exit, and somebody waits',
	'restart_server of w"eb', '3.5s: extend by 30s, 3 times', 'answer 3 comes again 1ms later', 'answer 4 comes 2s late',
	'reload 1: takes 1s and comes to nothing, w"eb is replaced', 'memory: request 9 of the core fails, and all after it',
	'memory: none for the policy in question 2 from request 3 on', '9s: SIGTERM, three times at most') {
	like($said, qr/\Q$words\E/, "it says: $words") or diag $said;
}

for (
	['{ { server = "nobody" } }', qr/the policy has no server "nobody"/],
	['{ { hook = "base pre_stop 2" } }', qr/the policy has no hook "base pre_stop 2"/],
	['{ { trigger = "TERM", at = "1s", of = "x" } }', qr/the policy has no server "x"/],
	['{ { trigger = "nonsense", at = "1s" } }', qr/there is no trigger "nonsense"/],
	['{ { reload = "soon" } }', qr/sim\.schedule: .*expected one of "good" or "broken"/],
	['{ { sever = "x" } }', qr/unknown key "sever".*"server"/],
	['{ { server = "base", stops = "soon" } }', qr/expected a duration/],
	['7', qr/expected a list of what happens/],
) {
	my ($items, $words) = @$_;
	spew("$dir/wrong_test.lua", qq(require("curfew.sim").schedule("x", "$policy", $items)));
	($code, $said) = run("$dir/wrong_test.lua");
	is($code, 1, "$items is refused");
	like($said, $words, 'with what is wrong');
}
($code, $said) = run("--faults $policy");
is($code, 2, '--faults without --explore');
like($said, qr/--faults goes with --explore/, 'is told');
done_testing;
