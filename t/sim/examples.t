#!/usr/bin/perl
# examples.t: the examples under the virtual clock, their programs answered for; and that prove takes `curfew test` as it is.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $out = `'$BIN' test t/policies 2>&1`;
is($? >> 8, 0, 'every example holds what it promises') or diag $out;
unlike($out, qr/^not ok/m, 'and says so');
my %tested = map { $_ => 1 } map { slurp($_) =~ m{examples/([\w-]+)\.lua}g } glob 't/policies/*_test.lua';
$tested{$_} = 1 for qw(save-unsafe save-pcall save-waiting); # by a loop over their names
for my $example (glob 'examples/*.lua') {
	my ($name) = $example =~ m{([\w-]+)\.lua$} or next;
	next if $name =~ /_test$/ || slurp($example) !~ /require "curfew"/;
	ok($tested{$name}, "$example is tested");
}
my $prove = `prove -e '$BIN test' t/policies/demo_test.lua 2>&1`;
is($?, 0, 'prove -e "curfew test"') or diag $prove;
like($prove, qr/Result: PASS/, 'prove reads the result');
done_testing;
