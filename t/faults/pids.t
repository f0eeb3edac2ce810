#!/usr/bin/perl
# pids.t: numbers of processes come round again (S8.4, S9.3): who has got the number of a child that is gone is nobody's child, and is
# left alone; and what is started while they wrap is started, waited for and stopped as ever. In a PID namespace, whose next number
# can be set.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use POSIX ();
use Test::More;

unless ($ENV{CURFEW_IN_NAMESPACE}) {
	plan skip_all => 'no permission for a PID namespace' if system('unshare -fp --mount-proc sh -c "echo 1000 >/proc/sys/kernel/ns_last_pid" 2>/dev/null');
	$ENV{CURFEW_IN_NAMESPACE} = 1;
	exec 'unshare', '-fp', '--kill-child', '--mount-proc', $^X, $0 or die "unshare: $!";
}

# The next process is the one after this.
sub set_last { my ($pid) = @_; spew('/proc/sys/kernel/ns_last_pid', $pid) }

# One with this number, which leads a group of that number, until it is killed; undef when somebody else was faster each time.
sub innocent {
	my ($number) = @_;
	for (1 .. 50) {
		pipe my $in, my $out or die;
		set_last($number - 1);
		my $pid = fork // die "fork: $!";
		if ($pid == 0) {
			POSIX::setsid();
			delete $ENV{CURFEW_TEST};
			syswrite $out, 'x';
			sleep 600;
			POSIX::_exit(0);
		}
		sysread $in, my $ready, 1;
		return $pid if $pid == $number;
		kill 'KILL', $pid;
		waitpid $pid, 0;
	}
	return;
}

sub lives { my ($pid) = @_; return waitpid($pid, POSIX::WNOHANG()) == 0 }

my $POLICY = <<'LUA';
local curfew = require "curfew"
curfew.configure { exit_timeout = "3s" }
local gone = curfew.process { name = "gone", command = { "sh", "-c", "echo $$ >gone" }, expect_exit = true }
local job = curfew.process { name = "job", command = { "sh", "-c", "echo $$ >job; exec sleep 600" } }
job:pre_stop(function() curfew.log.info "> pre_stop job" end)
curfew.on("SIGUSR1", function() curfew.spawn(function()
  local good = 0
  for i = 1, 40 do
    local done = curfew.all { function() return curfew.exec { "sh", "-c", "exit 3" } end, function() return curfew.exec { "true" } end }
    if done[1].code == 3 and done[2].code == 0 then good = good + 1 end
  end
  curfew.log.info("> good " .. good)
end) return curfew.ignore end)
LUA

# With the child "gone" dead and its number taken: (run, the innocent).
sub taken {
	my $r = curfew(policy => $POLICY);
	wait_until(sub { $r->log =~ /started 2 servers/ && (slurp("$r->{dir}/gone") // '') =~ /\n/ && (slurp("$r->{dir}/job") // '') =~ /\n/ }) or die $r->log;
	my ($number) = slurp("$r->{dir}/gone") =~ /(\d+)/;
	wait_until(sub { !-e "/proc/$number" }) or die "$number is not reaped";
	return ($r, innocent($number), $number);
}

for my $how (qw(TERM HUP KILL)) {
	my ($r, $pid, $number) = taken();
	is($pid, $number, "$how: another has the number of a child that is gone") or next;
	my ($job) = slurp("$r->{dir}/job") =~ /(\d+)/;
	if ($how eq 'KILL') { # the orchestrator's own death
		kill 'KILL', orchestrator($r);
	} else {
		$r->signal($how);
	}
	is($r->wait_exit, { TERM => 0, HUP => 1, KILL => 137 }->{$how}, "$how: the code") or diag $r->log;
	like($r->log, qr/> pre_stop job/, "S4.12: $how: the hook ran");
	ok(lives($pid), "S8.4: $how: who has the number is left alone");
	ok(!kill(0, $job), "S9.3: $how: the child that is none of it is gone");
	kill 'KILL', $pid;
	waitpid $pid, 0;
}

# A child's own number comes round while it lives: the numbers go on behind it
{
	my $most = slurp('/proc/sys/kernel/pid_max');
	my $r = curfew(policy => $POLICY);
	$r->wait_log(qr/started 2 servers/);
	set_last($most - 30);
	$r->signal('USR1');
	is($r->wait_log(qr/> good (\d+)/), 40, 'numbers wrap: 80 commands end with their own codes');
	cmp_ok(slurp('/proc/sys/kernel/ns_last_pid'), '<', $most - 30, 'they did wrap');
	set_last($most - 3);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S4.11: and a stop while they do: code 0') or diag $r->log;
	is(join(' ', $r->left_behind), '', 'S9.3: nothing is left');
}

done_testing;
