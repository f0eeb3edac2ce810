# Chart.pm: the figures as a picture: how many times what curfew takes each of the others takes, on a logarithmic scale.
package Chart;
use strict;
use warnings;
use Compared;
use POSIX qw(ceil floor);

# What is drawn: work, figure, title.
my @drawn = (
	[ 'command',       'stop_ms',  'One command: SIGTERM to all gone' ],
	[ 'command',       'pss_kb',   'One command: memory of its parent' ],
	[ 'children-10',   'stop_ms',  '10 children: SIGTERM to all gone' ],
	[ 'children-1000', 'start_ms', '1,000 children: exec to all ready' ],
	[ 'children-1000', 'stop_ms',  '1,000 children: SIGTERM to all gone' ],
	[ 'children-1000', 'pss_kb',   '1,000 children: memory of their supervisor' ],
	[ 'order',         'stop_ms',  'A chain of 10 children, stopped in order' ],
	[ 'stubborn',      'stop_ms',  'A child that ignores SIGTERM, 1 s of grace' ],
	[ 'http-1',        'ready_ms', 'One HTTP server: exec to its first 200' ],
	[ 'http-1',        'stop_ms',  'One HTTP server: SIGTERM to exit' ],
	[ 'http-1',        'pss_kb',   'One HTTP server: memory when idle' ],
	[ 'http-1000',     'stop_ms',  '1,000 HTTP listeners: SIGTERM to exit' ],
	[ 'hooks',         'stop_ms',  '1,000 asynchronous hooks: SIGTERM to exit' ],
	[ 'load',          'rate',     'Under load: replies a second (times fewer)' ],
);

my ($width, $left, $right, $bar, $gap) = (860, 190, 110, 13, 14);

# With neither scheme asked for, colours that can be read on white and on black.
my $style = <<'END';
text { font: 11px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #57606a }
.title { font-weight: 600; fill: #24292f } .head { font-size: 15px; font-weight: 600; fill: #24292f }
.slower { fill: #8797ad } .faster { fill: #d9822b } .undone { fill: none; stroke: #8797ad; stroke-dasharray: 3 2 } .minimal { fill: #2da44e }
.grid { stroke: #8c959f; stroke-opacity: .25 } .one { stroke: #0969da; stroke-width: 1.5 } .unit { fill: #0969da; font-weight: 600 }
@media (prefers-color-scheme: dark) {
text { fill: #9aa4af } .title, .head { fill: #e6edf3 } .slower { fill: #768390 } .undone { stroke: #768390 } .one { stroke: #539bf5 } .unit { fill: #539bf5 }
}
END

sub escape { my ($s) = @_; $s =~ s/&/&amp;/g; $s =~ s/</&lt;/g; return $s }

# [ name, how many times curfew, class, label ] of each program of a figure but curfew.
sub bars_of {
	my ($figure) = @_;
	my $curfew = Compared::curfew_of($figure) or return;
	my $minimal = Compared::minimal_of($figure);
	my @bars;
	for my $p (@{ $figure->{programs} }) {
		next if $p->{role} eq 'curfew' || $p->{role} eq 'minimal' && (!$minimal || $p != $minimal) || !$p->{runs} || $p->{value} <= 0;
		my $x = $figure->{better} eq 'more' ? $curfew->{value} / $p->{value} : $p->{value} / $curfew->{value};
		my $class = $p->{role} eq 'minimal' ? 'minimal' : $p->{needs} ? 'undone' : $x < 1 ? 'faster' : 'slower';
		my $name = $p->{role} eq 'minimal' ? 'minimal program' : $p->{who} =~ s/, (?:which has no order|before an origin|1,000 servers)//r;
		my $does_not = $p->{needs} && ", $p->{needs}";
		push @bars, [ $name, $x, $class, Compared::as_times($x) . "\x{d7}$does_not" ];
	}
	return @bars;
}

sub groups {
	my ($seen) = @_;
	my %figure;
	for my $work (@{ $seen->{works} }) {
		$figure{"$work->{key}.$_->{figure}"} = $_ for @{ $work->{figures} };
	}
	my @groups;
	for my $d (@drawn) {
		my $figure = $figure{"$d->[0].$d->[1]"} or next;
		my @bars = bars_of($figure) or next;
		my $curfew = Compared::curfew_of($figure);
		push @groups, { title => $d->[2], curfew => Compared::with_unit($curfew->{value}, $figure->{unit}), bars => \@bars };
	}
	return @groups;
}

sub text { my ($x, $y, $class, $anchor, $s) = @_; return sprintf qq{<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>\n}, $x, $y, $class, $anchor, escape($s) }

sub draw {
	my ($seen) = @_;
	my @groups = groups($seen) or die "no figure to draw\n";
	my @all = map { map { $_->[1] } @{ $_->{bars} } } @groups;
	my ($lo, $hi) = ((sort { $a <=> $b } @all)[ 0, -1 ]);
	($lo, $hi) = (floor(log($lo < 1 ? $lo : 1) / log 10), ceil(log($hi) / log 10));
	my $x = sub { $left + ($width - $left - $right) * (log($_[0]) / log(10) - $lo) / ($hi - $lo) };
	my ($y, $body) = (70, '');
	for my $g (@groups) {
		$body .= text(12, $y, 'title', 'start', "$g->{title} (curfew: $g->{curfew})");
		$y += 6;
		for my $each (@{ $g->{bars} }) {
			my ($name, $times, $class, $label) = @$each;
			my ($from, $to) = sort { $a <=> $b } $x->(1), $x->($times);
			$body .= text($left - 8 + ($x->(10**$lo) - $left), $y + $bar - 3, 'name', 'end', $name);
			$body .= sprintf qq{<rect x="%.1f" y="%d" width="%.1f" height="%d" class="%s"/>\n}, $from, $y + 2, $to - $from < 1 ? 1 : $to - $from, $bar - 3, $class;
			$body .= text($x->($times < 1 ? 1 : $times) + 5, $y + $bar - 3, 'value', 'start', $label);
			$y += $bar;
		}
		$y += $gap + 6;
	}
	my $grid = '';
	for my $e ($lo .. $hi) {
		my $at = $x->(10**$e);
		$grid .= sprintf qq{<line x1="%.1f" y1="56" x2="%.1f" y2="%d" class="%s"/>\n}, $at, $at, $y - 14, $e ? 'grid' : 'one';
		$grid .= text($at, 50, $e ? 'tick' : 'unit', 'middle', $e ? ($e < 0 ? '1/' . 10**-$e : 10**$e) . "\x{d7}" : 'curfew');
	}
	my $out = qq{<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 $width $y" width="$width" height="$y" role="img">\n}
		. "<title>What others take, as a multiple of what curfew takes</title>\n<style>\n$style</style>\n"
		. text(12, 22, 'head', 'start', 'What the others take, as a multiple of what curfew takes')
		. text(12, 38, 'note', 'start', "logarithmic; to the right of the line: more than curfew; orange: less; green: a minimal C program; dashed: does not do the work")
		. "$grid$body</svg>\n";
	utf8::encode($out);
	return $out;
}

1;
