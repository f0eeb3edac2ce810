#!/usr/bin/perl
# command.t: curfew run -- COMMAND: a container's entry point (S2.15); signals, codes, PID 1.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

sub code_of {
	my (@command) = @_;
	my $r = curfew(command => \@command);
	my $code = $r->wait_exit;
	return wantarray ? ($code, $r) : $code;
}

is(code_of('true'), 0, 'S2.15: the command ends with 0');
is(code_of('sh', '-c', 'exit 7'), 7, 'S2.15: its exit code is the result');
is(code_of('sh', '-c', 'kill -9 $$'), 137, 'S2.15: 128 and the signal that ended it');
is(code_of('sh', '-c', 'kill -TERM $$'), 143, 'S2.15: whatever the signal');
{
	my ($code, $r) = code_of('sh', '-c', 'echo out; echo err >&2; exit 3');
	is($code, 3, 'its code');
	is($r->output, "out\n", 'its standard output is ours, untouched');
	like($r->log, qr/^err$/m, 'so is its standard error');
}
for my $case (['TERM', 143], ['INT', 130], ['QUIT', 131]) {
	my ($sig, $want) = @$case;
	my $r = curfew(command => ['sh', '-c', 'echo up; exec sleep 99']);
	Curfew::wait_until(sub { $r->output =~ /up/ });
	# sh becomes sleep by exec: wait for that, or the shell's own handling of INT would be measured
	Curfew::wait_until(sub { my @p = $r->leftovers; grep { (slurp("/proc/$_/comm") // '') =~ /sleep/ } @p });
	$r->signal($sig);
	is($r->wait_exit, $want, "S2.15: SIG$sig is forwarded, the command's own end decides");
	is(join(' ', $r->left_behind), '', "SIG$sig: no process is left");
}
{
	my $r = curfew(command => ['sh', '-c', 'trap "echo got; exit 0" TERM; echo up; while :; do sleep 0.02; done']);
	Curfew::wait_until(sub { $r->output =~ /up/ });
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S2.15: a command that handles TERM and ends with 0');
	like($r->output, qr/got/, 'its handler ran');
}
{
	my $r = curfew(command => ['sh', '-c', 'trap "echo usr1" USR1; trap "echo winch" WINCH; echo up; while :; do sleep 0.02; done']);
	Curfew::wait_until(sub { $r->output =~ /up/ });
	$r->signal('USR1');
	ok(Curfew::wait_until(sub { $r->output =~ /usr1/ }), 'what has no meaning to curfew is passed on: USR1');
	$r->signal('WINCH');
	ok(Curfew::wait_until(sub { $r->output =~ /winch/ }), 'and WINCH');
	$r->signal('TERM');
	is($r->wait_exit, 143, 'and it ends as always');
}
{
	my $r = curfew(command => ['sh', '-c', 'trap "" TERM; echo up; while :; do sleep 0.02; done'], before => ['--exit-timeout', '400ms']);
	Curfew::wait_until(sub { $r->output =~ /up/ });
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S4.7: a command that ignores TERM is cut at the margin: 255');
	is(join(' ', $r->left_behind), '', 'and nothing of it is left');
}
{
	my ($code, $r) = code_of('/no/such/command');
	is($code, 1, 'a command that cannot run is a failed start: 1');
	like($r->log, qr{/no/such/command.*No such file or directory}, 'and says why');
	unlike($r->log, qr/127/, 'never as exit 127');
	($code, $r) = code_of('/etc/passwd');
	is($code, 1, 'a file that is no program: 1');
	like($r->log, qr{/etc/passwd.*Permission denied}, 'and says why');
}
# a policy beside the command adds hooks
{
	my $r = curfew(policy => <<'LUA', command => ['sh', '-c', 'echo up; exec sleep 99']);
local curfew = require "curfew"
curfew.pre_stop(function(ctx) curfew.log.info("> pre " .. ctx.trigger.name) end)
curfew.post_stop(function() curfew.log.info("> post") end)
LUA
	Curfew::wait_until(sub { $r->output =~ /up/ });
	$r->signal('TERM');
	is($r->wait_exit, 143, 'S2.15: a policy with a command');
	is(join(', ', @{ $r->marks }), 'pre SIGTERM, post', 'its hooks run');
}
# a grandchild outside the group, an orphan, a daemon: whole-tree stop
{
	my $r = curfew(command => ['sh', '-c', 'setsid sleep 98 & (setsid sh -c "sleep 97 & sleep 96" &) ; echo up; exec sleep 99']);
	ok(Curfew::wait_until(sub { my @p = $r->leftovers; 4 <= grep { (slurp("/proc/$_/comm") // '') =~ /sleep/ } @p }), 'a command with a family');
	$r->signal('TERM');
	is($r->wait_exit, 143, 'S9.3: ends as its leader does');
	is(join(' ', $r->left_behind), '', 'S9.3: no orphan is left, setsid or not');
}

# PID 1 of a container
SKIP: {
	skip 'no permission for a PID namespace', 8 if system('unshare -p -f --mount-proc true 2>/dev/null') != 0;
	my $dir = File::Temp->newdir(TMPDIR => 1);
	my $bin = $BIN =~ m{^/} ? $BIN : POSIX::getcwd() . "/$BIN";
	my $inside = sub {
		my ($signal, $script) = @_;
		my $pid = fork // die;
		if ($pid == 0) {
			open STDOUT, '>', "$dir/out";
			open STDERR, '>', "$dir/err";
			exec 'unshare', '-p', '-f', '--kill-child', '--mount-proc', $bin, 'run', '--', 'sh', '-c', $script or POSIX::_exit(98);
		}
		if ($signal) {
			Curfew::wait_until(sub { (slurp("$dir/out") // '') =~ /up/ });
			my ($one) = grep { /\d/ } split ' ', slurp("/proc/$pid/task/$pid/children");
			kill $signal, $one;
		}
		my $done = Curfew::wait_until(sub { waitpid($pid, POSIX::WNOHANG()) == $pid });
		my $status = $?;
		kill('KILL', $pid), waitpid($pid, 0) unless $done;
		unlink "$dir/keep";
		return $done ? $status >> 8 : 'hangs';
	};
	is($inside->(undef, 'exit 5'), 5, 'PID 1: the code of the command');
	is($inside->('TERM', 'echo up; exec sleep 99'), 143, 'PID 1: TERM reaches the command, 143');
	unlink "$dir/out";
	is($inside->('INT', 'echo up; exec sleep 99'), 130, 'PID 1: INT reaches the command, 130');
	unlink "$dir/out";
	# orphans are adopted and reaped: the shell makes 50 of them and looks for zombies
	is($inside->(undef, 'for i in 1 2 3 4 5 6 7 8 9 10; do (true & true & true & true & true &) ; done; n=0; while [ $n -lt 200 ]; do z=$(grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l); [ $z = 0 ] && exit 0; n=$((n+1)); sleep 0.05; done; exit 9'),
		0, 'PID 1: orphans are reaped, no zombie stays');
	unlink "$dir/out";
	is($inside->('TERM', 'setsid sleep 98 & sleep 97 & echo up; exec sleep 99'), 143, 'PID 1: with a family');
}

done_testing;
