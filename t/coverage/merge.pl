#!/usr/bin/perl
# merge.pl BUILD: the counters of all tests, each of which has a folder of its own in BUILD/apart, into those of BUILD. Those of a test that
# was killed as it wrote them are lost, which is said.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Path qw(remove_tree);

my ($build) = @ARGV or die "usage: merge.pl BUILD\n";
my $root = abs_path($build);
my $lost = 0;
my @all = grep { -d "$_$root" } glob "$root/apart/*";
die "merge: no test has left counters\n" if !@all;
my ($sum, $next) = ("$root/apart/sum", "$root/apart/next");
for my $dir (@all) {
	if (!-d $sum) {
		rename "$dir$root", $sum or die "merge: $sum: $!\n";
		next;
	}
	remove_tree($next);
	if (system("gcov-tool merge -o '$next' '$sum' '$dir$root' >'$root/apart/said' 2>&1") != 0 || !-d $next) {
		open my $said, '<', "$root/apart/said" or die "merge: $!\n";
		print "merge: counters of a test are lost: ", scalar(<$said>) // "gcov-tool failed\n";
		$lost++;
		next;
	}
	remove_tree($sum);
	rename $next, $sum or die "merge: $sum: $!\n";
}
# Processes that were not told where to write have written to the place itself.
remove_tree($next);
system("gcov-tool merge -o '$next' '$sum' '$root' >'$root/apart/said' 2>&1") == 0 or die "merge: gcov-tool cannot merge $root\n";
system("cp -r '$next/.' '$root/'") == 0 or die "merge: cannot copy to $root\n";
printf "merge: counters of %d tests, of %d lost\n", scalar @all, $lost;
remove_tree("$root/apart");
