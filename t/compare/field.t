#!/usr/bin/perl
# field.t: curfew's column of bench/field: none of the pains that others' users tell of shows.
use strict;
use warnings;
use FindBin;
use Test::More;

my $dir   = "$FindBin::Bin/../../bench/field";
my @pains = map { m{/0*(\d+)-} ? $1 : () } sort glob "$dir/[0-9]*.pl";
is("@pains", join(' ', 1 .. 25), 'a script for each pain');
my %cell;
open my $out, '-|', "$dir/run", '--program', 'curfew' or die "$dir/run: $!\n";
while (<$out>) {
	$cell{$1} = $2 if /^(\d+) curfew: (.*)/;
}
close $out;
is($?, 0, 'the suite ends well');
like($cell{$_} // 'nothing was said', qr/^does not: /, "pain $_") for @pains;
done_testing;
