#!/usr/bin/perl
# What needs no loop, fuzzed; and that a fuzzer finds a fault where there is one.
use strict;
use warnings;
use lib 't/lib';
use Fuzz;
use Test::More;

Fuzz::test(qw(core json text black_box)) or exit 1;
my $r = Fuzz::seeded(400_000);
ok $r->{found}, 'a core that loses hooks is found out' or diag substr $r->{log}, -2000;
like $r->{why}, qr/invariants of the core/, "by what it did, after $r->{runs} inputs";
done_testing;
