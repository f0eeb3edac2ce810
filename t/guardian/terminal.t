#!/usr/bin/perl
# terminal.t: S8.1: on a terminal with a shell's job control: Ctrl-C counts once, Ctrl-Z and fg work, a command has the foreground.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use Fcntl;
use Test::More;
use Time::HiRes qw(time sleep);

# A shell on a pseudo-terminal: { fd, pid, dir }.
sub shell {
	my (%files) = @_;
	my ($master, $slave) = terminal() or return;
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	spew("$dir/$_", $files{$_}) for keys %files;
	my $pid = fork // die;
	if ($pid == 0) {
		POSIX::setsid();
		close $master;
		sysopen my $tty, $slave, O_RDWR or POSIX::_exit(97);
		POSIX::dup2(fileno $tty, $_) for 0 .. 2;
		chdir $dir or POSIX::_exit(96);
		$ENV{CURFEW_TEST} = "$dir";
		$ENV{ENV} = '';
		$ENV{PS1} = 'ready> ';
		$ENV{BIN} = $BIN =~ m{^/} ? $BIN : "$FindBin::Bin/../../$BIN";
		$SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE TSTP TTIN TTOU);
		exec 'sh', '-i', '-m' or POSIX::_exit(95);
	}
	return bless { master => $master, pid => $pid, dir => $dir, text => '', mark => "$dir" }, 'Curfew';
}

sub pump {
	my ($s) = @_;
	my $bits = '';
	vec($bits, fileno $s->{master}, 1) = 1;
	while (select(my $r = $bits, undef, undef, 0) > 0) {
		sysread($s->{master}, $s->{text}, 65536, length $s->{text}) or last;
	}
	return $s->{text};
}
sub type { my ($s, $text) = @_; syswrite $s->{master}, $text; return $s }
# Wait for a pattern in what came since the last such wait.
sub see {
	my ($s, $re) = @_;
	my $from = $s->{seen} // 0;
	my $ok = wait_until(sub { substr(pump($s), $from) =~ $re and $s->{seen} = $from + $+[0]; ($s->{seen} // 0) > $from });
	diag "not seen: $re\n" . substr($s->{text}, $from) unless $ok;
	return $ok;
}
sub state_of { return (slurp("/proc/$_[0]/stat") // '') =~ /\) (\S) / ? $1 : '' }
sub end {
	my ($s) = @_;
	type($s, "exit 0\n");
	wait_until(sub { pump($s); waitpid($s->{pid}, POSIX::WNOHANG()) == $s->{pid} }, 10) or do { kill 'KILL', $s->{pid}; waitpid $s->{pid}, 0 };
	close $s->{master};
	$s->{status} = 0;
	my @left = $s->leftovers;
	kill 'KILL', @left;
	is("@left", '', 'S8.1: nothing is left behind the terminal');
}

my $POLICY = <<'LUA';
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function() curfew.log.info "> pre" curfew.sleep(0.3) end)
s:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" end) end)
local ticks = 0
curfew.every(0.02, function() ticks = ticks + 1 io.open("ticks", "w"):write(ticks):close() end)
curfew.on("SIGINT", function(t) curfew.log.info("> INT " .. t.count) return curfew.graceful(40 + t.count) end)
LUA

my $s = shell('policy.lua' => $POLICY) or plan skip_all => 'no pseudo-terminal';
see($s, qr/ready> /);

# Ctrl-C
type($s, "\$BIN run --no-display --timeline never policy.lua; echo code \$?\n");
ok(see($s, qr/> up/), 'a policy in the foreground');
type($s, "\x03");
ok(see($s, qr/> INT 1/), 'S8.1: Ctrl-C comes as SIGINT');
ok(see($s, qr/code (41)/), 'S8.1: and counts once');
unlike($s->{text}, qr/INT 2/, 'S8.1: once only');

# Ctrl-Z, fg, bg
see($s, qr/ready> /);
type($s, "\$BIN run --no-display --timeline never policy.lua\n");
see($s, qr/> up/);
my ($g) = children($s->{pid});
my ($o) = children($g);
type($s, "\x1a");
ok(wait_until(sub { state_of($g) eq 'T' && state_of($o) eq 'T' }), 'S8.1: Ctrl-Z stops the guardian and the orchestrator');
ok(see($s, qr/ready> /), 'S8.1: the shell has its terminal back');
my $ticks = slurp("$s->{dir}/ticks");
sleep 0.3;
is(slurp("$s->{dir}/ticks"), $ticks, 'S8.1: it stands still');
type($s, "fg\n");
ok(wait_until(sub { (slurp("$s->{dir}/ticks") || 0) > $ticks }), 'S8.1: fg: it goes on') or diag state_of($g) . state_of($o);
type($s, "\x1a");
wait_until(sub { state_of($g) eq 'T' });
see($s, qr/ready> /);
type($s, "bg\n");
ok(wait_until(sub { state_of($o) ne 'T' && state_of($g) ne 'T' }), 'S8.1: bg: it goes on in the background');
type($s, "kill -INT %1; wait %1; echo code \$?\n");
ok(see($s, qr/code 41/), 'S8.1: and takes a signal there');

# a command that reads the terminal
see($s, qr/ready> /);
type($s, "\$BIN run --no-display --timeline never -q -- sh -c 'echo asks; read line; echo got \$line; read line; echo got \$line; exit 6'; echo code \$?\n");
ok(see($s, qr/asks\r/), 'a command on a terminal');
type($s, "one\n");
ok(see($s, qr/got one/), 'S8.1: it has the foreground: it reads');
($g) = children($s->{pid});
($o) = children($g);
my ($c) = children($o);
type($s, "\x1a");
ok(wait_until(sub { state_of($g) eq 'T' && state_of($o) eq 'T' && state_of($c) eq 'T' }), 'S8.1: Ctrl-Z stops all three') or diag map { state_of($_) } $g, $o, $c;
see($s, qr/ready> /);
type($s, "fg\n");
ok(wait_until(sub { state_of($c) eq 'S' && state_of($g) eq 'S' }), 'S8.1: fg continues them');
type($s, "two\n");
ok(see($s, qr/got two/), 'S8.1: and it reads on');
ok(see($s, qr/code 6/), 'S8.1: its exit code is the result') or diag $s->{text};
# the shell has the terminal: it reads
see($s, qr/ready> /);
type($s, "echo still\$((1))\n");
ok(see($s, qr/still1\r/), 'S8.1: the foreground is given back');

# Ctrl-C with a command: both hear the terminal, each once
see($s, qr/ready> /);
type($s, "\$BIN run --no-display --timeline never -- sh -c 'trap \"echo int; exit 5\" INT; echo up\$((1)); while :; do sleep 0.05; done'; echo code \$?\n");
see($s, qr/up1/);
type($s, "\x03");
ok(see($s, qr/code 5/), 'S2.15: Ctrl-C ends a command: its own code');
my ($part) = $s->{text} =~ /.*up1(.*)/s;
my $ints = () = $part =~ /int\r?$/mg;
cmp_ok($ints, '>=', 1, 'S8.1: it heard it');
unlike($part, qr/SIGINT \(2nd\)/, 'S8.1: and so did curfew');

# and in a script without job control, the terminal's reader after it can read
see($s, qr/ready> /);
type($s, "sh -c '\$BIN run -q --timeline never -- true; read line; echo then \$line'\n");
sleep 0.2;
type($s, "three\n");
ok(see($s, qr/then three/), 'S8.1: who comes after it in a script has the terminal');
# in a pipeline the others need the terminal too
see($s, qr/ready> /);
type($s, "\$BIN run -q --timeline never -- sh -c 'echo asks; read line; echo got \$line; trap \"echo int; exit 5\" INT; echo up\$((1)); while :; do sleep 0.05; done' | sh -c 'trap \"\" INT; read line; echo \$line; read line; echo \$line; read line </dev/tty; echo then \$line; cat'\n");
ok(see($s, qr/asks\r/), 'S8.1: in a pipeline');
type($s, "four\n");
ok(see($s, qr/got four/), 'S8.1: the command reads the terminal');
type($s, "five\n");
ok(see($s, qr/then five/), 'S8.1: as does its neighbour');
see($s, qr/up1/);
type($s, "\x1a");
see($s, qr/ready> /) or 1;
($g) = grep { state_of($_) eq 'T' } children($s->{pid});
ok($g, 'S8.1: Ctrl-Z stops the pipeline');
type($s, "fg\n");
ok(wait_until(sub { $g && state_of($g) ne 'T' }), 'S8.1: fg continues it');
type($s, "\x03");
ok(see($s, qr/int\r/), 'S8.1: and Ctrl-C ends it');
see($s, qr/ready> /);
end($s);

done_testing;
