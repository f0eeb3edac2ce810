#!/usr/bin/perl
# full.t: S4, S6, S7 in full runs: Lua hooks, services and reloads under the virtual clock; and that it would find something.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $RUNS = 1000;
my $out = `RUNS=$RUNS SEED=1 '$BIN' test '$FindBin::Bin/full_test.lua' 2>&1`;
is($? >> 8, 0, "no rule is broken in $RUNS full runs") or diag $out;

# The same with a check that does not hold whenever one of these things has happened: so they do.
my $dir = File::Temp->newdir('curfew-full-XXXXXX', TMPDIR => 1);
for my $happens ('stays in force: ', 'is in force', 'while it was loaded', 'not enough memory', 'passed its own limit', 'exit 255', 'passed hook_cpu_limit') {
	my $test = slurp("$FindBin::Bin/full_test.lua");
	$test =~ s/"full\.lua", function\(run, t\)/"$FindBin::Bin\/full.lua", function(run, t) t:ok(not run:log():find("$happens", 1, true), "it happens")/ or die;
	spew("$dir/full_test.lua", $test);
	$out = `RUNS=$RUNS SEED=1 '$BIN' test '$dir/full_test.lua' 2>&1`;
	is($? >> 8, 1, "\"$happens\" is among them") or diag $out;
	like($out, qr/^# with seed \d+, made small:$/m, 'told with its seed');
}
done_testing;
