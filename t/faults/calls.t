#!/usr/bin/perl
# S4.8, S4.11, S4.12, S8.1, S9.3: system calls of a whole run fail, one at a time: the places where that once was more than it had to be,
# and a spread over all the others, which another FAULTS_SEED moves. `make faults` does all of them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib", "$FindBin::Bin/lib";
use Test::More;
use Curfew;
use Faults;

plan skip_all => 'the tracer is for x86-64' unless -x $TRACER;
plan skip_all => 'a sanitizer has calls of its own' if $ENV{SAN};
plan skip_all => 'no permission to trace' unless can_trace();

my $seed = $ENV{FAULTS_SEED} // 1;
my @points = points(calls_of());
my ($runs, $hits) = (0, 0);

# What is passed on to the orchestrator, and its end, are not lost with one call; nor is the socket file or the child of a start.
my @mended = grep { /^2 0 (?:kill|wait4) 1 E|^0 0\.1 (?:sendto 1 EAGAIN|prlimit64 \d+ EPERM|read \d+ EINVAL|newfstatat \d+ EACCES)$|^\d 0 recvmsg \d+ ENOMEM|rt_sigprocmask \d+ EINVAL/ } @points;
cmp_ok(scalar @mended, '>', 40, 'the calls of those are there');
tried($_) for @mended;

diag("FAULTS_SEED=$seed") if $ENV{FAULTS_SEED};
tried($_) for spread(120, $seed, @points);

# After the orchestrator's death the guardian has the hooks run, and kills what is left, whatever fails once
my @after = points(calls_of('crash'));
my @relied = grep { /^2 0 (?:clone|socketpair) 1 E|^2 0 openat \d+ EMFILE|^2 0\.2 epoll_wait 1 EINVAL/ } @after;
cmp_ok(scalar @relied, '>', 8, 'the calls of those are there');
tried($_, 'crash') for @relied, spread(40, $seed, @after);

# The numbers differ a little from run to run, as events meet; but the calls did fail.
cmp_ok($hits, '>', 0.9 * $runs, "of $runs runs most reached their call: $hits");
done_testing;

sub tried {
	my ($point, $how) = @_;
	my ($r, @wrong) = at_point($point, $how);
	($r, @wrong) = at_point($point, $how) if @wrong; # a machine that was too busy is not so twice
	$runs++;
	$hits++ if $r->{hit};
	is(join('; ', @wrong), '', $how ? "$point, after a $how" : $point) or diag($r->log);
	Curfew::forget();
}

# Where ptrace is forbidden the tracer says so, and ends with 99.
sub can_trace { return system("CURFEW=/bin/true INJECT_REPORT=/dev/null $TRACER") == 0 }
