# Compared.pm: the figures of bench/run --data, who is ahead in each, and the tables.
package Compared;
use strict;
use warnings;

my @columns = qw(key work figure label unit how better who role needs runs failed value lo hi);

# { head => [lines], works => [ { key, work, figures => [ { figure, label, …, programs => [ {…} ] } ] } ] }, in the order of the data.
sub parse {
	my ($text) = @_;
	my (%seen, %work);
	for (split /\n/, $text) {
		if (s/^# //) { push @{ $seen{head} }, $_; next }
		my %l;
		@l{@columns} = split /\t/, $_, -1;
		die "not a line of figures: $_\n" if !defined $l{hi};
		my $work = $work{ $l{key} };
		push @{ $seen{works} }, $work = $work{ $l{key} } = { key => $l{key}, work => $l{work}, figures => [] } if !$work;
		my $figure = $work->{figures}[-1];
		push @{ $work->{figures} }, $figure = { map({ $_ => $l{$_} } qw(figure label unit how better)), programs => [] }
			if !$figure || $figure->{figure} ne $l{figure};
		push @{ $figure->{programs} }, \%l;
	}
	return \%seen;
}

sub curfew_of  { my ($figure) = @_; return (grep { $_->{role} eq 'curfew' && $_->{runs} } @{ $figure->{programs} })[0] }
sub minimal_of { my ($figure) = @_; return (grep { $_->{role} eq 'minimal' && $_->{runs} } @{ $figure->{programs} })[0] }

# value over that of another program; undef where that says nothing.
sub ratio {
	my ($p, $to) = @_;
	return undef if !$p || !$to || !$p->{runs} || !$to->{runs} || $to->{value} <= 0;
	return $p->{value} / $to->{value};
}

# The best rival that does this work, or undef when none was measured.
sub best_rival {
	my ($figure) = @_;
	my $way = $figure->{better} eq 'more' ? -1 : 1;
	my @r = grep { $_->{role} eq 'rival' && $_->{runs} && $_->{needs} eq '' } @{ $figure->{programs} };
	return (sort { $way * ($a->{value} <=> $b->{value}) } @r)[0];
}

# Is that median worse than the other's?
sub behind {
	my ($c, $r, $figure) = @_;
	return $figure->{better} eq 'more' ? $c->{value} < $r->{value} : $c->{value} > $r->{value};
}

# 'ahead', 'level' (the same, or the quartiles overlap), 'not ahead', or '' where there is nothing to compare.
sub verdict {
	my ($figure) = @_;
	my ($c, $r) = (curfew_of($figure), best_rival($figure));
	return '' if $figure->{better} eq 'none' || !$c || !$r;
	return 'level' if $c->{value} == $r->{value} || $figure->{how} ne 'sum' && $c->{lo} <= $r->{hi} && $r->{lo} <= $c->{hi};
	return behind($c, $r, $figure) ? 'not ahead' : 'ahead';
}

sub show { my ($v) = @_; return $v == int $v && $v < 1e6 ? int $v : $v >= 100 ? sprintf '%.0f', $v : $v >= 10 ? sprintf '%.1f', $v : sprintf '%.2f', $v }
sub with_unit { my ($v, $unit) = @_; return show($v) . ($unit && " $unit") }
sub as_times { my ($x) = @_; return defined $x ? sprintf($x >= 100 ? '%.0f' : $x >= 10 ? '%.1f' : '%.2f', $x) : '' }

sub summary {
	my ($seen, $why) = @_;
	my @rows = ('| work | figure | curfew | best of the others | curfew is | cause, where it is not ahead |', '| --- | --- | ---: | --- | --- | --- |');
	my %count;
	for my $work (@{ $seen->{works} }) {
		for my $figure (@{ $work->{figures} }) {
			my $verdict = verdict($figure) or next;
			my ($c, $r) = (curfew_of($figure), best_rival($figure));
			my $known = $why->{"$work->{key}.$figure->{figure}"};
			my $cause = $verdict eq 'not ahead' ? $known // '**not known yet**' : $verdict eq 'level' && behind($c, $r, $figure) ? $known // '' : '';
			$count{$verdict}++;
			push @rows, '| ' . join(' | ', $work->{work}, $figure->{label}, with_unit($c->{value}, $figure->{unit}),
				"$r->{who}: " . with_unit($r->{value}, $figure->{unit}), $verdict eq 'not ahead' ? '**not ahead**' : $verdict, $cause) . ' |';
		}
	}
	my $sum = join ', ', map { ($count{$_} // 0) . " $_" } 'ahead', 'level', 'not ahead';
	return "Of the figures that can be compared: $sum.\n\n" . join("\n", @rows) . "\n";
}

sub line_of {
	my ($figure, $p, $label) = @_;
	my @figures = ('-', '', '', '');
	if ($p->{runs}) {
		my $spread = $figure->{how} eq 'sum' ? show($p->{lo}) . '..' . show($p->{hi}) . ' a stop' : show($p->{lo}) . '..' . show($p->{hi});
		@figures = (with_unit($p->{value}, $figure->{unit}), $spread, as_times(ratio($p, curfew_of($figure))), as_times(ratio($p, minimal_of($figure))));
	}
	my $note = join ', ', ($p->{failed} ? "failed $p->{failed} times" : ()), ($p->{needs} || ());
	return '| ' . join(' | ', $label, $p->{who} . ($note && " ($note)"), @figures, $p->{runs}) . ' |';
}

sub detail {
	my ($work) = @_;
	my @rows = ("### \u$work->{work}", '', '| figure | program | median | quartiles | to curfew | to minimal | runs |',
		'| --- | --- | ---: | --- | ---: | ---: | ---: |');
	for my $figure (@{ $work->{figures} }) {
		my $label = $figure->{label};
		for my $p (@{ $figure->{programs} }) {
			push @rows, line_of($figure, $p, $label);
			$label = '';
		}
	}
	return join("\n", @rows) . "\n";
}

sub tables {
	my ($seen, $why) = @_;
	return join "\n", map({ "$_\n" } @{ $seen->{head} }[ 0, 1 ]), summary($seen, $why), map { detail($_) } @{ $seen->{works} };
}

1;
