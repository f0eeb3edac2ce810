#!/usr/bin/perl
# mutate.pl [FILE.c…]: change one thing at a time in src/core, and see that a test of the core fails (README.md).
use strict;
use warnings;
use Cwd qw(abs_path);
use Digest::MD5 qw(md5_hex);
use File::Path qw(make_path);
use FindBin;
use POSIX ':sys_wait_h';
use Time::HiRes qw(time sleep);
use lib $FindBin::Bin;
use Mutants;

my $ROOM = 'src/core';
my $DIR = $ENV{MUTATE_DIR} || 'build-mutate';
my $CC = $ENV{CC} || 'cc';
my $JOBS = $ENV{MUTATE_JOBS} || 2;
my $LIST = "$FindBin::Bin/survivors";
my @CFLAGS = qw(-std=c11 -O1 -w -fPIC -fvisibility=default -fno-semantic-interposition -Isrc -It/lib);

sub run_or_die {
	system(@_) == 0 or die "mutate: failed: @_\n";
}

# ---- the build: tests are linked once, against a library that a mutant replaces ----

sub object_of { my ($c) = @_; (my $o = $c) =~ s{/}{.}g; return "$DIR/$o.o" }

sub compile {
	my ($from, $to) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		open STDERR, '>', '/dev/null';
		exec $CC, @CFLAGS, '-c', '-o', $to, $from or POSIX::_exit(127);
	}
	waitpid $pid, 0;
	return $? == 0;
}

my (@objects, @tests, %limit);

sub link_library {
	my ($to, @o) = @_;
	run_or_die($CC, '-shared', '-o', "$to/libcore.so", @o);
}

sub build {
	make_path($DIR, "$DIR/plain");
	for my $c (glob("src/base/*.c"), glob("$ROOM/*.c")) {
		push @objects, object_of($c);
		compile($c, object_of($c)) or die "mutate: $c does not compile\n";
	}
	link_library("$DIR/plain", @objects);
	for my $c (glob 't/core/*.c') {
		my ($name) = $c =~ m{([^/]*)\.c$};
		run_or_die($CC, @CFLAGS, '-o', "$DIR/t-$name", $c, 't/lib/tap.c', "-L$DIR/plain", '-lcore', '-lpthread');
		push @tests, $name;
	}
	my %time;
	for my $t (@tests) { # the plain build passes; what a mutant may take follows from what it takes
		my $began = time;
		run_test($t, "$DIR/plain", 120) and die "mutate: t/core/$t.c fails as it is\n";
		$time{$t} = time - $began;
		$limit{$t} = 3 + 5 * $time{$t};
	}
	# What was recorded is asked last: it kills what differs, and says of nothing that it is wrong.
	@tests = sort { ($a eq "recorded") <=> ($b eq "recorded") || $time{$a} <=> $time{$b} } @tests;
	printf "# %s\n", join ', ', map { sprintf '%s %.2f s', $_, $time{$_} } @tests;
}

# True when the test fails, or does not end.
sub run_test {
	my ($test, $lib, $limit) = @_;
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$ENV{LD_LIBRARY_PATH} = $lib;
		open STDOUT, '>', '/dev/null';
		open STDERR, '>', '/dev/null';
		exec '/bin/sh', '-c', 'ulimit -c 0 -v 4000000; exec "$0"', abs_path("$DIR/t-$test") or POSIX::_exit(127);
	}
	my $end = time + $limit;
	my $wait = 0.002;
	until (waitpid($pid, WNOHANG) == $pid) {
		if (time > $end) {
			kill KILL => $pid;
			waitpid $pid, 0;
			return 'time';
		}
		sleep $wait;
		$wait = $wait * 1.5 > 0.05 ? 0.05 : $wait * 1.5;
	}
	return $? != 0;
}

# ---- one mutant ----

# "broken": does not compile; "same": the compiler sees no difference; "killed by …"; "survived".
sub try_mutant {
	my ($m, $n) = @_;
	my $dir = "$DIR/m$n";
	make_path("$dir/core");
	my $c = "$dir/core/mutant.c";
	open my $out, '>', $c or die "$c: $!";
	print $out qq{#line 1 "$m->{file}"\n}, $m->{text};
	close $out or die "$c: $!";
	my $verdict = 'survived';
	if (!compile($c, "$dir/mutant.o")) {
		$verdict = 'broken';
	} elsif (code_of("$dir/mutant.o") eq code_of(object_of($m->{file}))) {
		$verdict = 'same';
	} else {
		my $mine = object_of($m->{file});
		link_library($dir, map { $_ eq $mine ? "$dir/mutant.o" : $_ } @objects);
		for my $t (@tests) {
			my $failed = run_test($t, $dir, $limit{$t}) or next;
			$verdict = "killed by $t" . ($failed eq 'time' ? ' (not ended)' : '');
			last;
		}
	}
	run_or_die('rm', '-rf', $dir);
	return $verdict;
}

# The machine code and data, without the name of the file it came from.
sub code_of {
	my ($o) = @_;
	open my $in, '-|', 'objdump', '-s', '-r', $o or die "objdump: $!";
	local $/;
	my $text = <$in>;
	$text =~ s/^.*file format.*$//m;
	return md5_hex($text);
}

# ---- the list of those that are known ----

sub read_list {
	my (%why, $line);
	open my $in, '<', $LIST or return ();
	while (<$in>) {
		chomp;
		next if /^#/ || /^$/;
		if (/^\t(.*?) \| ((?:equivalent|open): .*)$/ && defined $line) {
			$why{"$line\t$1"} = $2;
		} elsif (/^(\S+\.c: .*)$/) {
			$line = $1;
		} else {
			die "mutate: $LIST:$.: neither a line of a source nor a change with its reason\n";
		}
	}
	return %why;
}

# ---- all of them ----

my @files = @ARGV ? map { m{/} ? $_ : "$ROOM/$_" } @ARGV : glob "$ROOM/*.c";
my @mutants = map { Mutants::of($_) } @files;
if (my $log = $ENV{MUTATE_AGAIN}) { # only what survived in that output
	open my $in, "<", $log or die "$log: $!\n";
	my %again = map { m{^(\S+?):\d+: survived: (.*) \| (.*)$} ? ("$1: $2\t$3" => 1) : () } <$in>;
	@mutants = grep { $again{ $_->{key} } } @mutants;
}
my $sampled = $ENV{MUTATE_N};
if ($sampled && $sampled < @mutants) {
	srand($ENV{MUTATE_SEED} // 1);
	my %at = map { $_ => rand } 0 .. $#mutants;
	my @taken = (sort { $at{$a} <=> $at{$b} } 0 .. $#mutants)[0 .. $sampled - 1];
	@mutants = @mutants[sort { $a <=> $b } @taken];
}
my %why = read_list();
if ($ENV{MUTATE_LIST}) {
	print "$_->{key}\n" for @mutants;
	exit 0;
}
printf "# %d mutants of %d files\n", scalar @mutants, scalar @files;
build();

my (%verdict, %running, @report);
my $began = time;
my $next = 0;
while ($next < @mutants || %running) {
	while ($next < @mutants && keys %running < $JOBS) {
		my $n = $next++;
		pipe my $r, my $w or die "pipe: $!";
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			close $r;
			print $w try_mutant($mutants[$n], $n);
			close $w;
			POSIX::_exit(0);
		}
		close $w;
		$running{$pid} = [$n, $r];
	}
	my $pid = waitpid -1, 0;
	my $of = delete $running{$pid} or next;
	my ($n, $r) = @$of;
	my $verdict = <$r> // 'no verdict';
	$verdict{$n} = $verdict;
	if ($verdict eq 'survived' && !$why{ $mutants[$n]{key} } || $verdict eq 'no verdict' || $ENV{VERBOSE}) {
		printf "%s:%d: %s: %s\n", @{ $mutants[$n] }{qw(file line)}, $verdict, $mutants[$n]{key} =~ s/^[^:]*: //r =~ s/\t/ | /r;
		STDOUT->flush;
	}
}

my %count = (killed => 0, same => 0, broken => 0, listed => 0, open => 0, survived => 0, none => 0);
my %by;
my %seen;
for my $n (0 .. $#mutants) {
	my $v = $verdict{$n};
	my $key = $mutants[$n]{key};
	$seen{$key} = $v;
	if ($v =~ /^killed by (\w+)/) {
		$count{killed}++;
		$by{$1}++;
	} elsif ($v eq 'survived') {
		$count{ !$why{$key} ? "survived" : $why{$key} =~ /^open/ ? "open" : "listed" }++;
	} elsif ($v eq 'no verdict') {
		$count{none}++;
	} else {
		$count{$v}++;
	}
}
my %mine = map { $_ => 1 } @files;
my @stale;
for my $key (sort keys %why) {
	my ($file) = $key =~ /^([^:]*):/;
	next if !$mine{$file} || (($sampled || $ENV{MUTATE_AGAIN}) && !defined $seen{$key});
	push @stale, $key if !defined $seen{$key} || $seen{$key} ne 'survived';
}
print "$LIST: no survivor (any more): $_\n" =~ s/\t/ | /r for @stale;
printf "# %d killed (%s), %d equivalent by machine code, %d equivalent by reason, %d open, %d do not compile, %d survived; %.0f s\n",
	$count{killed}, join(', ', map { "$_ $by{$_}" } sort { $by{$b} <=> $by{$a} } keys %by), @count{qw(same listed open broken survived)},
	time - $began;
exit($count{survived} || $count{none} || @stale ? 1 : 0);
