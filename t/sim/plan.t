#!/usr/bin/perl
# plan.t: what a stop would do: order, limits, both cases, for one trigger and for several; text, JSON, SVG; the grace of Kubernetes.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use JSON::PP;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $dir = File::Temp->newdir('curfew-sim-XXXXXX', TMPDIR => 1);
my $POLICY = <<'LUA';
local curfew = require "curfew"
curfew.configure { exit_timeout = "20s" }
local db = curfew.process { name = "db", command = { "db" }, stop = { { signal = "TERM", wait = "3s" }, { signal = "KILL" } } }
local cache = curfew.process { name = "cache", command = { "cache" }, stop_timeout = "2s" }
local web = curfew.http { name = "web", listen = "127.0.0.1:8080", after = { db, cache }, drain = "4s", routes = {} }
local function never() os.exit(99) end
web:pre_stop(never, { name = "hold", timeout = "1s" })
web:post_stop(never, { timeout = "500ms" })
db:pre_stop(never, { name = "flush", timeout = "2s" })
web:pre_start(never) web:post_start(never)
curfew.pre_stop(never, { timeout = "250ms" })
curfew.post_stop(never, { name = "last", timeout = "1s" })
LUA

sub make_plan {
	my ($policy, $args) = @_;
	spew("$dir/policy.lua", $policy);
	my $out = `cd $dir && '$BIN' plan $args policy.lua 2>$dir/err`;
	return ($? & 127 ? "signal $?" : $? >> 8, $out, slurp("$dir/err"));
}

sub json_plan {
	my ($policy, $args) = @_;
	my ($code, $out, $err) = make_plan($policy, "--format json $args");
	is($code, 0, "$args: a plan") or diag $err;
	return eval { decode_json($out) } || die "no JSON: $out";
}

my ($code, $out, $err) = make_plan($POLICY, '');
is($code, 0, 'text') or diag $err;
is($err, '', 'nothing on the standard error');
like($out, qr/^policy\.lua\nSIGTERM at 0s: graceful\(0\)$/m, 'what is decided');
like($out, qr/^pre_stop \(policy\.lua:11\)\s+at most 250ms\n1\.\n   web, http at 127\.0\.0\.1:8080, before db and cache\n     pre_stop "hold" \(policy\.lua:7\)\s+at most 1s\n     stop\s+at most 4s\n     post_stop \(policy\.lua:8\)\s+at most 500ms\n2\.\n/m, 'S4.1: the first wave');
like($out, qr/^2\.\n   db, process\n     pre_stop "flush" \(policy\.lua:9\)\s+at most 2s\n     stop\s+at most 3s\n   cache, process\n     stop\s+at most 2s\npost_stop "last" \(policy\.lua:12\)\s+at most 1s$/m, 'the second: side by side') or diag $out;
like($out, qr/^best case\s+ends 0s after the stop began, code 0$/m, 'best case');
like($out, qr/^worst case\s+ends 11\.8s after the stop began, code 1; cut off: cache$/m, 'worst case: 0.25 + 1 + 4 + 0.5 + 2 + 3 + 1') or diag $out;
like($out, qr/^bounds\s+margin at 19\.5s, exit timeout at 20s$/m, 'S4.6: the bounds');
like($out, qr/^the worst case: stop took 11\.8s of 20s, code 1, because of SIGTERM$/m, 'its timeline');
is($out, (make_plan($POLICY, ''))[1], 'twice the same');

my $p = json_plan($POLICY, '');
my %s = map { $_->{name} => $_ } @{ $p->{servers} };
is($p->{version}, 1, 'version');
is($p->{waves}, 2, 'two waves');
is_deeply([ map { "$_ $s{$_}{wave}" } sort keys %s ], [ 'cache 2', 'db 2', 'web 1' ], 'who is in which');
is_deeply($s{web}{after}, [ 'db', 'cache' ], 'who depends on whom');
is_deeply([ map { $_->{phase} . ' ' . ($_->{name} // '-') . " $_->{limit}" } @{ $s{web}{hooks} } ], [ 'pre_stop hold 1', 'post_stop - 0.5' ], 'hooks of the stop alone');
is_deeply([ @{ $s{web}{worst} }{qw(begins ends)} ], [ 0.25, 5.75 ], 'when web stops at worst');
is_deeply([ @{ $s{db}{worst} }{qw(begins ends)} ], [ 5.75, 10.75 ], 'then db');
is_deeply([ @{ $s{cache}{worst} }{qw(begins ends)} ], [ 5.75, 7.75 ], 'beside it cache, which is cut by its own limit') or diag explain $s{cache};
is($p->{worst}{ends}, 11.75, 'the end');
is($p->{best}{ends}, 0, 'the best end');
is($p->{decisions}[0]{trigger}, 'SIGTERM', 'the decision');

$p = json_plan($POLICY, "--on 'SIGINT,SIGHUP\@2s'");
is_deeply([ map { "$_->{at} $_->{trigger} $_->{decision} $_->{code}" } @{ $p->{decisions} } ], [ '0 SIGINT graceful 0', '2 SIGHUP abort 1' ], 'S4.5: two triggers');
ok($p->{worst}{aborted}, 'an abort in the end');
is($p->{worst}{code}, 1, 'S4.3: its code');
cmp_ok($p->{worst}{ends}, '<=', 4.1, 'after the hooks that were left');
$p = json_plan("$POLICY\ncurfew.on('SIGINT', function(t) if t.count > 1 then return curfew.kill(9) end end)", "--on 'SIGINT,SIGINT\@1500ms'");
is_deeply([ map { "$_->{at} $_->{decision}" } @{ $p->{decisions} } ], [ '0 graceful', '1.5 kill' ], 'S2.13: rules see counts');
is($p->{worst}{code}, 9, 'S4.14: killed');
$p = json_plan($POLICY, "--on 'exit(3)'");
is("$p->{decisions}[0]{decision} $p->{worst}{code}", 'abort 3', 'S2.4: exit with a code');
$p = json_plan($POLICY, "--on closed:db");
is("$p->{decisions}[0]{trigger} $p->{worst}{code}", 'closed 255', 'S2.7: a server that ends by itself');
$p = json_plan("$POLICY\ncurfew.on('custom:deploy', curfew.graceful(4))", '--on custom:deploy');
is("$p->{decisions}[0]{trigger} $p->{worst}{code}", 'custom:deploy 4', "a trigger of the policy's own");
$p = json_plan("$POLICY\ncurfew.on('SIGUSR1', curfew.ignore)", '--on SIGUSR1');
ok(!$p->{worst}{stops}, 'what is ignored stops nothing');
is($p->{worst}{ends}, undef, 'and has no end');
$p = json_plan('local curfew = require "curfew" curfew.server { name = "a" }:pre_stop(function() end)', '');
is($p->{worst}{ends}, 5, 'S4.8: a hook without a limit has that of the stop');
is($p->{worst}{code}, 255, 'S4.11: and is cut');
ok($p->{servers}[0]{hooks}[0]{worst}{cut}, 'which is told');
$p = json_plan('local curfew = require "curfew" curfew.process { name = curfew.exec { "x" }.stdout .. "a\255<&\"", command = { "x" } }', '');
is($p->{servers}[0]{name}, 'a\xff<&"', 'a main script that asks; a name that is no UTF-8');

$p = json_plan("$POLICY\nprint 'printed' curfew.on('SIGTERM', function() print 'by a rule' end)", '');
is($p->{worst}{ends}, 11.75, 'what a policy prints is no part of it');

# ---- SVG

($code, $out) = make_plan($POLICY, '--format svg');
is($code, 0, 'svg');
like($out, qr/^<svg xmlns/, 'is one');
for my $words ('web', 'pre_stop hold', 'post_stop last', 'exit timeout 20s', 'ends after 11.8s at the latest') {
	like($out, qr/\Q$words\E/, "it has $words");
}
SKIP: {
	skip 'no xmllint', 2 if system('command -v xmllint >/dev/null 2>&1');
	for my $policy ($POLICY, 'require "curfew".server { name = "<&\">" }') {
		make_plan($policy, '--format svg >x.svg');
		is(system("xmllint --noout $dir/x.svg"), 0, 'XML');
	}
}

# ---- grace

($code, $out, $err) = make_plan($POLICY, '--grace 12s');
is($code, 0, 'a grace that is long enough');
($code, $out, $err) = make_plan($POLICY, '--grace 5s');
is($code, 1, 'one that is not: 1');
like($err, qr/the worst case takes 11\.8s, the grace is 5s.*terminationGracePeriodSeconds at least 12/, 'and what to do');
like($out, qr/^worst case/m, 'the plan is shown all the same');
($code, $out, $err) = make_plan("$POLICY\ncurfew.on('SIGTERM', curfew.ignore)", '--grace 5s');
is($code, 1, 'no end is longer than any grace');
like($err, qr/does not end/, 'and says so');

# ---- mistakes

for (
	['--on SIGTREM', qr/unknown trigger "SIGTREM"/], ['--on clsed', qr/did you mean "closed"/], ["--on ''", qr/a trigger is missing/],
	['--on SIGTERM,', qr/a trigger is missing/], ['--on SIGTERM@soon', qr/SIGTERM\@: .*soon/], ['--on closed', qr/write closed:NAME/],
	['--on closed:nobody', qr/there is no server "nobody"/], ['--on crash', qr/the guardian's/], ['--on KILL', qr/no process sees/],
	["--on 'exit(x)'", qr/expected exit\(CODE\)/], ["--on 'exit(256)'", qr/expected exit\(CODE\)/], ["--on 'stop(1)'", qr/expected exit\(CODE\)/],
	['--on stop,stop,stop,stop,stop,stop,stop,stop,stop', qr/more than 8 triggers/],
	['--format xml', qr/"xml" is none of text, json, svg/], ['--grace soon', qr/--grace: /], ['--nope', qr/unknown option --nope/],
	['--on SIGTERM,hurry', qr/hurry is an operator's answer/], ['--on skip', qr/skip is an operator's answer/],
	['--on', qr/./], ['a b', qr/one policy at a time/],
) {
	my ($args, $words) = @$_;
	($code, $out, $err) = make_plan($POLICY, $args);
	is($code, 2, "$args: code 2");
	like($err, $words, 'and says why');
}
for (['error "no"', qr/policy\.lua does not load: policy\.lua:1: no/], ['x =', qr/policy\.lua:1:/], ['while true do end', qr/load_limit/]) {
	($code, $out, $err) = make_plan($_->[0], '');
	is($code, 2, "$_->[0]: code 2");
	like($err, $_->[1], 'and says why');
}
is(system("'$BIN' plan >/dev/null 2>&1") >> 8, 2, 'no policy: code 2');
for my $example (glob 'examples/*.lua') {
	next if slurp($example) !~ /require "curfew"/;
	is(system("'$BIN' plan $example >/dev/null 2>&1"), 0, "$example has a plan");
}
done_testing;
