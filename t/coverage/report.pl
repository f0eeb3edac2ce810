#!/usr/bin/perl
# report.pl BUILD: what the tests of that build reached, by room; fails where core, policy or host have less than is claimed (README.md).
use strict;
use warnings;
use FindBin;
use JSON::PP ();

my ($build) = @ARGV or die "usage: report.pl BUILD\n";
my @CLAIMED = qw(core policy host);
my $BRANCHES = 95; # per cent, of each of them
my $LIST = "$FindBin::Bin/left-out";

open my $in, '-|', 'gcovr', '-r', '.', '--object-directory', $build, '--json', '-f', 'src/' or die "gcovr: $!\n";
my $data = JSON::PP::decode_json(do { local $/; <$in> } || die "report: gcovr says nothing\n");
close $in or die "report: gcovr failed\n";

# ---- file, function, text of a line | reason ----

my %left;
open my $list, '<', $LIST or die "$LIST: $!\n";
while (<$list>) {
	chomp;
	next if /^#/ || /^\s*$/;
	my ($file, $function, $text, $why) = /^(\S+\.[ch]) (\w+): (.*?) \| (\S.*)$/ or die "report: $LIST:$.: not FILE FUNCTION: LINE | REASON\n";
	die "report: $LIST:$.: twice\n" if $left{"$file $function: $text"};
	$left{"$file $function: $text"} = { why => $why, at => $., used => 0 };
}

my (%room, @bare, @out);
for my $f (sort { $a->{file} cmp $b->{file} } @{ $data->{files} }) {
	my ($room) = $f->{file} =~ m{^src/(?:([^/]+)/)?} or next;
	$room //= 'curfew.c';
	my @functions = sort { $a->{lineno} <=> $b->{lineno} } @{ $f->{functions} };
	open my $source, '<', $f->{file} or die "$f->{file}: $!\n";
	my @text = <$source>;
	my $r = $room{$room} ||= { lines => 0, reached => 0, left => 0, branches => 0, taken => 0 };
	for my $l (@{ $f->{lines} }) {
		next if $l->{'gcovr/noncode'};
		my $text = $text[ $l->{line_number} - 1 ] =~ s/^\s+|\s+$//gr;
		$r->{lines}++;
		if ($l->{count}) {
			$r->{reached}++;
			# The branch of an assert that fails is a mistake of ours, and no test can make one.
			next if $text =~ /^assert\(/;
		}
		my ($in) = map { $_->{name} } grep { $_->{lineno} <= $l->{line_number} } reverse @functions;
		my $entry = $l->{count} ? undef : $left{ "$f->{file} " . ($in // 'none') . ": $text" };
		if ($entry) {
			$entry->{used}++;
			$r->{left}++;
			next;
		}
		$r->{branches} += @{ $l->{branches} };
		$r->{taken} += grep { $_->{count} } @{ $l->{branches} };
		push @bare, "$f->{file}:$l->{line_number}: " . ($in // 'none') . ": $text" if !$l->{count} && grep { $_ eq $room } @CLAIMED;
		if ($ENV{VERBOSE} && $l->{count} && grep { $_ eq $room } @CLAIMED) {
			my @not = grep { !$l->{branches}[$_]{count} } 0 .. $#{ $l->{branches} };
			push @out, "$f->{file}:$l->{line_number}: branch @not of " . @{ $l->{branches} } . ": $text" if @not;
		}
	}
}

my $fail = 0;
my $complain = sub { print "coverage: $_[0]\n"; $fail = 1 };
print "$_\n" for @out;
$complain->("not reached: $_") for @bare;
$complain->("$LIST:$left{$_}{at}: reached, or gone: $_") for grep { !$left{$_}{used} } sort keys %left;
my $percent = sub { my ($n, $of) = @_; $of ? 100 * $n / $of : 100 };
printf "%-10s %7s %8s %8s %9s %9s\n", 'room', 'lines', 'reached', 'left out', 'branches', 'taken';
for my $room (sort keys %room) {
	my $r = $room{$room};
	my $lines = $percent->($r->{reached} + $r->{left}, $r->{lines});
	my $taken = $percent->($r->{taken}, $r->{branches});
	printf "%-10s %7d %7.1f%% %8d %9d %8.1f%%\n", $room, $r->{lines}, $percent->($r->{reached}, $r->{lines}), $r->{left}, $r->{branches}, $taken;
	next unless grep { $_ eq $room } @CLAIMED;
	$complain->(sprintf '%s: %.1f%% of the branches, less than %d%%', $room, $taken, $BRANCHES) if $taken < $BRANCHES;
}
for my $room (@CLAIMED) {
	$complain->("$room: nothing was measured") unless $room{$room} && $room{$room}{reached};
}
exit $fail;
