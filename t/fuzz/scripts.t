#!/usr/bin/perl
# What reads scripts, and writes what it found in them, fuzzed.
use strict;
use warnings;
use lib 't/lib';
use Fuzz;
use Test::More;

Fuzz::test(qw(check sarif policy match)) or exit 1;
done_testing;
