#!/usr/bin/perl
# explore.t: random schedules: mistakes that were put into policies are found, made small, and repeated by their seed.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $dir = File::Temp->newdir('curfew-sim-XXXXXX', TMPDIR => 1);
my $BASE = <<'LUA';
local curfew = require "curfew"
local db = curfew.process { name = "db", command = { "db" }, restart = { on = "failure", max = 2 } }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { db }, routes = {} }
web:pre_stop(function() curfew.sleep "1s" end, { name = "hold", timeout = "2s" })
web:post_stop(function() end)
db:pre_stop(function() end)
curfew.pre_stop(function() end)
LUA

sub explore {
	my ($policy, @args) = @_;
	spew("$dir/policy.lua", $policy);
	my $out = `cd $dir && '$BIN' test @args policy.lua 2>&1`;
	return ($? & 127 ? "signal $?" : $? >> 8, $out);
}

my ($code, $out) = explore($BASE, '--explore 20000 --seed 1');
is($code, 0, 'S4.1, S4.3, S4.6, S4.8, S4.11, S4.12, S4.13: nothing is broken in 20,000 schedules') or diag $out;
like($out, qr/^ok 1 - policy\.lua: 20000 schedules from seed 1$/m, 'TAP');
like($out, qr/^# policy\.lua: \d+ schedules a second$/m, 'and how fast');
for my $example (glob 'examples/*.lua bench/policies/three.lua') {
	next if slurp($example) !~ /require "curfew"/;
	my $text = `'$BIN' test --explore 5000 --seed 7 $example 2>&1`;
	is($? >> 8, 0, "$example bears 5000 schedules") or diag $text;
}

# what, the mistake, what is said, how many lines the schedule has at most
my @mistakes = (
	['S2.12: a rule that fails', 'curfew.on("closed", function(t) if t.signal == "SIGKILL" then return t.nothing.here end end)',
		qr/trigger: closed, rule: policy\.lua:8, reason: it failed, error: policy\.lua:8: attempt to index/, qr/server (web|db): dies at \S+ by SIGKILL/],
	['S2.12: a decision that is not allowed', 'curfew.on("exit", function(t) return t.code == 2 and curfew.restart or nil end)',
		qr/trigger: exit, rule: policy\.lua:8, reason: this trigger does not allow its decision, error: restart/, qr/0s: exit\(2\)/],
	['a rule that answers nonsense', 'curfew.on("SIGINT", function(t) return t.count == 2 and "stop" or nil end)',
		qr/trigger: SIGINT, .*it answered something that is no decision/, qr/: SIGINT\n#\s+\S+: SIGINT\n/],
	['a rule that calls os.exit', 'curfew.on("SIGHUP", function() os.exit(1) end)', qr/trigger: SIGHUP, .*it called os\.exit/, qr/0s: SIGHUP/],
	['a process that never ends', 'curfew.on("SIGTERM", curfew.ignore)', qr/it does not end: SIGTERM came three times/, qr/0s: SIGTERM, three/],
);
for (@mistakes) {
	my ($what, $mistake, $said, $small) = @$_;
	my @args = ('--explore 20000 --seed 3');
	($code, $out) = explore("$BASE$mistake\n", @args);
	is($code, 1, "$what: found") or diag $out;
	like($out, qr/^not ok 1 - policy\.lua: \d+ schedules from seed 3\n# .*$said/m, 'it is said what is wrong and where') or diag $out;
	like($out, $small, 'the schedule has what it takes') or diag $out;
	cmp_ok(scalar(() = $out =~ /^#   /mg), '<=', 5, 'and little more') or diag $out;
	my ($seed) = $out =~ /again with: curfew test --explore 1 --seed (\d+) policy\.lua$/m;
	my ($again, $same) = explore("$BASE$mistake\n", @args);
	is($same, $out, 'the same seed gives the same');
	($again, $same) = explore("$BASE$mistake\n", "--explore 1 --seed $seed");
	is($again, 1, 'and its own seed alone does');
	is(($same =~ /^(#.*)/ms)[0], ($out =~ /^(#.*)/ms)[0], 'with the same words');
}

($code, $out) = explore("${BASE}local n = 0 curfew.on('SIGINT', function() n = n + 1 if n == 40 then error 'kept' end end)\n", '--explore 20000 --seed 1');
is($code, 1, 'a fault that grows over schedules is found');
like($out, qr/only after the schedules before it: a rule keeps state/, 'and told as such') or diag $out;

# ---- mistakes of use

for (
	['error "no"', '--explore 1', 1, qr/policy\.lua does not load: policy\.lua:1: no/],
	['local x = = 1', '--explore 1', 1, qr/policy\.lua:1:.*unexpected symbol/],
	['', '--explore 0', 2, qr/--explore: "0" is no number of schedules/],
	['', '--explore many', 2, qr/"many" is no number/],
	['', '--explore 1 --seed -1', 2, qr/--seed: "-1" is no number/],
	['', '--seed 1', 2, qr/--seed goes with --explore/],
	['', '--explore', 2, qr/./],
	['', '--explore 1 x_test.lua', 2, qr/--explore takes policies, and x_test\.lua is a test/],
) {
	my ($policy, $args, $want, $words) = @$_;
	($code, $out) = explore($policy, $args);
	is($code, $want, "$args with '$policy': code $want");
	like($out, $words, 'and says why');
}
($code, $out) = explore('', '--explore 100 --seed 1');
is($code, 0, 'a policy without servers');
($code, $out) = explore($BASE, '--explore 10');
like($out, qr/10 schedules from seed \d+/, 'a seed of its own is told');
done_testing;
