# Metrics.pm: the text format that Prometheus reads, version 0.0.4, read strictly: what promtool refuses is an error here.
package Metrics;
use strict;
use warnings;
use Exporter 'import';
our @EXPORT = qw(parse_metrics);

my $NAME = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
my $LABEL = qr/[a-zA-Z_][a-zA-Z0-9_]*/;
my $VALUE = qr/[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN/i;

# { 'name{a="b"}' => value } in the order of labels as they stand, and a list of what is wrong.
sub parse_metrics {
	my ($text) = @_;
	my (%values, @wrong, %help, %type, %done, $family);
	push @wrong, 'the last line has no end' unless $text =~ /\n\z/;
	my $n = 0;
	for my $line (split /\n/, $text, -1) {
		$n++;
		next if $line eq '';
		my $at = "line $n: $line";
		if ($line =~ /^# HELP ($NAME) (.*)$/) {
			push @wrong, "$at: a second HELP" if $help{$1}++;
			push @wrong, "$at: its lines do not stand together" if $done{$1};
			push @wrong, "$at: help that says nothing" unless length $2;
			$done{$family} = 1 if defined $family && $family ne $1;
			$family = $1;
		} elsif ($line =~ /^# TYPE ($NAME) (counter|gauge|histogram|summary|untyped)$/) {
			push @wrong, "$at: a second TYPE" if exists $type{$1};
			push @wrong, "$at: TYPE of another family" unless defined $family && $family eq $1;
			$type{$1} = $2;
			push @wrong, "$at: a counter's name ends in _total" if $2 eq 'counter' xor $1 =~ /_total$/;
		} elsif ($line =~ /^#/) {
			push @wrong, "$at: a comment that is none of ours";
		} elsif ($line =~ /^($NAME)(?:\{((?:$LABEL="(?:[^"\\]|\\["\\n])*"(?:,(?=$LABEL)|(?=\})))*)\})? ($VALUE)$/) {
			my ($name, $labels, $value) = ($1, $2, $3);
			push @wrong, "$at: before its TYPE" unless exists $type{$name};
			push @wrong, "$at: its lines do not stand together" unless defined $family && $family eq $name;
			my %seen;
			push @wrong, map { "$at: the label $_ twice" } grep { $seen{$_}++ } ($labels // '') =~ /($LABEL)="/g;
			my $key = defined $labels && length $labels ? "$name\{$labels}" : $name;
			push @wrong, "$at: twice" if exists $values{$key};
			$values{$key} = $value;
		} else {
			push @wrong, "$at: cannot be read";
		}
	}
	return (\%values, @wrong);
}

1;
