# Fuzz.pm: builds the fuzzers (t/fuzz) with clang in a folder of their own and runs them, two at a time, each bounded in time and memory.
package Fuzz;
use strict;
use warnings;
use File::Path qw(make_path);
use File::Temp ();
use Time::HiRes qw(time);

our $BUILD = $ENV{FUZZ_BUILD} || 'build-fuzz';
my $FLAGS = '-fsanitize=fuzzer-no-link -O1 -Wno-format-nonliteral';
# Lua keeps what it takes until it collects: libFuzzer's look for leaks after each input would find that, slowly.
my %KEEPS = map { $_ => 1 } qw(check sarif policy match);
my $AT_ONCE = 2;
my %running;

# All targets, by name.
sub targets { return map { m{/(\w+)\.c$} } sort glob 't/fuzz/*.c' }

# True, or false and what make said on the standard error.
sub build {
	make_path($BUILD);
	local @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CI)};
	delete @ENV{qw(MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES CI)};
	my @make = ('make', '-j2', "BUILD=$BUILD", 'CC=clang', 'SAN=address,undefined', "CFLAGS=$FLAGS", 'LDFLAGS=', 'fuzzers');
	return system('sh', '-c', 'lock=$1; shift; exec flock "$lock" "$@" >"$lock.log" 2>&1', 'sh', "$BUILD/lock", @make) == 0
		|| do { system 'tail', '-n', '30', "$BUILD/lock.log"; 0 };
}

sub slurp {
	open my $f, '<:raw', $_[0] or return '';
	local $/;
	return scalar(<$f>) // '';
}

# start(name, folder for the log, options…, folders of inputs…): in the background.
sub start {
	my ($name, $dir, @args) = @_;
	my $pid = fork // die "fork: $!";
	return $pid if $pid;
	open STDIN, '<', '/dev/null' or exit 99;
	open STDOUT, '>', "$dir/$name.log" or exit 99;
	open STDERR, '>&', \*STDOUT or exit 99;
	$ENV{ASAN_OPTIONS} = 'detect_stack_use_after_return=1:allocator_may_return_null=1';
	$ENV{UBSAN_OPTIONS} = 'print_stacktrace=1';
	$ENV{TMPDIR} = "$dir";
	exec "$BUILD/fuzz/$name", @args or exit 98;
}

# What a log says: runs, edges, features, seconds, found (the input that broke it; undef) and why (lines).
sub read_log {
	my ($name, $log, $code) = @_;
	my %r = (name => $name, code => $code, runs => 0, edges => 0, features => 0, rate => 0, log => $log);
	$r{runs} = $1 if $log =~ /^stat::number_of_executed_units:\s*(\d+)/m;
	$r{rate} = $1 if $log =~ /^stat::average_exec_per_sec:\s*(\d+)/m;
	@r{qw(edges features)} = ($1, $2) while $log =~ /cov: (\d+) ft: (\d+)/g;
	$r{found} = $1 if $log =~ /Test unit written to (\S+)/;
	my ($why) = $log =~ /^(.*: broken: .*|.*runtime error: .*|==\d+==\s*ERROR: (?!libFuzzer: deadly).*)$/m;
	$r{why} = $why // ($code ? "ended with $code" : undef);
	return \%r;
}

# fuzz(seconds, { keep => folder of corpora that stay }, names…): a result each, as of read_log, in that order.
sub fuzz {
	my ($seconds, $o, @names) = @_;
	my $dir = File::Temp->newdir('curfew-fuzz-XXXXXX', TMPDIR => 1);
	my (%result, @waiting);
	make_path("$BUILD/findings");
	local $SIG{TERM} = local $SIG{INT} = local $SIG{HUP} = sub { kill 'KILL', keys %running; exit 1 };
	for (@waiting = @names; @waiting || %running;) {
		while (@waiting && keys %running < $AT_ONCE) {
			my $name = shift @waiting;
			my $corpus = ($o->{keep} || $dir) . "/$name";
			make_path($corpus);
			my @args = ("-max_total_time=$seconds", '-rss_limit_mb=1024', '-timeout=20', '-max_len=4096', '-print_final_stats=1',
				"-artifact_prefix=$BUILD/findings/$name-");
			push @args, "-seed=$o->{seed}" if $o->{seed};
			push @args, '-detect_leaks=0' if $KEEPS{$name};
			push @args, "-dict=t/fuzz/dict/$name" if -e "t/fuzz/dict/$name";
			$running{ start($name, "$dir", @args, $corpus, grep { -d } "t/fuzz/seeds/$name", "t/fuzz/regressions/$name") } = $name;
		}
		my $pid = wait;
		my $name = delete $running{$pid} // next;
		$result{$name} = read_log($name, slurp("$dir/$name.log"), $? & 127 ? 128 + ($? & 127) : $? >> 8);
		$o->{each}->($result{$name}) if $o->{each};
	}
	return map { $result{$_} } @names;
}

# A core that loses hooks: does its target find that within so many runs? The result as of read_log.
sub seeded {
	my ($runs) = @_;
	my $dir = File::Temp->newdir('curfew-fuzz-XXXXXX', TMPDIR => 1);
	waitpid start('seeded', "$dir", "-runs=$runs", '-seed=1', '-print_final_stats=1', "-artifact_prefix=$dir/"), 0;
	return read_log('seeded', slurp("$dir/seeded.log"), $? >> 8);
}

# As a test, of FUZZ_S seconds each; 60 in CI, else what was found is replayed only (build/t/fuzz/NAME). The seed is fixed: a target with
# no clock and no threads sees the same inputs, as far as its time goes.
sub test {
	my (@names) = @_;
	require Test::More;
	my $seconds = $ENV{FUZZ_S} || ($ENV{CI} ? 60 : 0);
	Test::More::plan(skip_all => 'FUZZ_S says for how many seconds each target is fuzzed') if !$seconds;
	Test::More::plan(skip_all => 'the fuzzers have sanitizers of their own, and the replays run here as well') if $ENV{SAN};
	Test::More::plan(skip_all => 'no clang here') if !$ENV{CI} && system('sh', '-c', 'command -v clang >/dev/null') != 0;
	Test::More::ok(build(), 'the fuzzers are built') or return Test::More::done_testing();
	for my $r (fuzz($seconds, { seed => 1 }, @names)) {
		my $what = "$r->{name}: $r->{runs} inputs in $seconds s, $r->{edges} edges";
		Test::More::ok(!$r->{code} && !$r->{found} && $r->{runs} > 0, "$what: nothing is found")
			or Test::More::diag("$r->{why}; the input is $r->{found}\n" . substr $r->{log}, -4000);
	}
	return 1;
}

1;
