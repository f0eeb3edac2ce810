#!/usr/bin/perl
# S4.11, S4.12, S7.1: allocations of a whole run fail, one at a time: a spread over all, which another FAULTS_SEED moves. `make faults`
# does all of them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";
use Test::More;
use Curfew;
use Faults;

plan skip_all => 'a sanitizer has an allocator of its own' if $ENV{SAN};

my $seed = $ENV{FAULTS_SEED} // 1;
my @points = allocations();
cmp_ok(scalar @points, '>', 1000, 'allocations of both processes were counted');
my ($runs, $hits) = (0, 0);
my @guardian = grep { /^0 / } @points;

diag("FAULTS_SEED=$seed") if $ENV{FAULTS_SEED};
for my $point (@guardian, spread(150, $seed, grep { !/^0 / } @points)) {
	my ($r, @wrong) = at_allocation($point);
	($r, @wrong) = at_allocation($point) if @wrong; # a machine that was too busy is not so twice
	$runs++;
	$hits++ if $r->{hit};
	is(join('; ', @wrong), '', "allocation $point") or diag($r->log);
	Curfew::forget();
}
cmp_ok($hits, '>', 0.9 * $runs, "of $runs runs most reached their allocation: $hits");
done_testing;
