#!/usr/bin/perl
# soak.t: one slice of `make soak`: a life with many reloads, and lives that end in every way that there is time for.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $out = `CURFEW='$BIN' '$FindBin::Bin/run' 15 15 2>&1`;
is($? >> 8, 0, 'memory, descriptors and children stay as they were, every code is right, no request is lost') or diag $out;
like($out, qr/^\s*\d+ s: \d+ reloads, [+-]\d+ kB, [+-]\d+ descriptors, then \d+ short lives$/m, 'it is said of a slice');
my ($lives, $reloads, $requests) = $out =~ /^\d+ s: (\d+) lives, (\d+) reloads, (\d+) requests: all as it was$/m or diag $out;
cmp_ok($reloads, '>=', $ENV{SAN} ? 8 : 30, "$reloads reloads");
cmp_ok($requests, '>', $reloads, "$requests requests in $lives lives");
isnt(system("'$FindBin::Bin/run' nonsense 2>/dev/null"), 0, 'a time that is none is refused');
done_testing;
