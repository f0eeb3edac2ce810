#!/usr/bin/perl
# What others send, from outside, from above and from below, fuzzed. Every target is in one of these tests.
use strict;
use warnings;
use lib 't/lib';
use Fuzz;
use Test::More;

Fuzz::test(qw(control http notify ready systemd)) or exit 1;
my %tested = map { $_ => 1 } map { split ' ' } map { Fuzz::slurp($_) =~ /Fuzz::test\(qw\((.*?)\)\)/ } glob 't/fuzz/*.t';
is_deeply [sort keys %tested], [Fuzz::targets()], 'every target is in one of these tests';
done_testing;
