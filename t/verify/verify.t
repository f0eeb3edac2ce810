#!/usr/bin/perl
# The model of the core holds in three worlds, each explored to its end with the core itself beside it, and mistakes in its tables and
# in its guards are found. make verify does all of them.
use strict;
use warnings;
use FindBin ();
use lib $FindBin::Bin;
use Test::More;
use Model;

plan skip_all => 'spin is not installed: make deps' if !grep { -x "$_/spin" } split /:/, $ENV{PATH};
plan skip_all => 'the core beside the model is not built for sanitizers' if $ENV{SAN};

my %world = map { @$_ } worlds();
for my $name (qw(mute hang quick)) {
	my $r = explore(name => "test-$name", world => $world{$name}, compare => 1);
	ok(defined $r->{errors} && !$r->{errors}, "S4.12, S4.3, S4.8, and every path ends: $name, $r->{states} states") or diag $r->{said};
	ok($r->{complete}, '… all of them');
	cmp_ok($r->{compared}, '>', 1000, "… and the core stands where the model stands, after each of $r->{compared} steps");
	if ($name eq 'quick') {
		my $cycles = explore(name => "test-$name-cycles", world => $world{$name}, cycles => 1);
		ok($cycles->{complete} && !$cycles->{errors}, 'no run is without end') or diag $cycles->{said};
	}
}

my %seed = map { $_->{name} => $_ } seeds();
for my $name (qw(abort_forgets_started margin_spares hook_begins_twice deadline_comes_late)) {
	my $r = explore(name => "test-$name", world => $world{ $seed{$name}{world} }, seed => $seed{$name});
	like($r->{said}, qr/^pan:\d+: (?:assertion violated|invalid end state)/m, "found: $seed{$name}{why}");
}

# A start that may take a tick longer breaks no promise: that the core has it otherwise is for the comparison to find.
my %drift = (name => "drift", how => "text", what => "server: due[s] = START_LIMIT + 1 => due[s] = START_LIMIT + 2");
my $drift = explore(name => "test-drift", world => $world{quick}, seed => \%drift, compare => 1);
ok($drift->{errors}, "a model that is not the core is found out");
like($drift->{said}, qr{^conform: due of \d: the model has \d+, the core \d+$}m, "… by the state of a server");
done_testing();
