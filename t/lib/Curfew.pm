# Curfew.pm: runs the real binary under a policy, in a directory of its own, and leaves nothing behind.
package Curfew;
use strict;
use warnings;
use Exporter 'import';
use Fcntl;
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(time sleep);
use Test::More;

our @EXPORT = qw(curfew http_get connect_to wait_until slurp spew leftovers terminal $BIN);

our $BIN = $ENV{CURFEW} || (($ENV{BUILD} || 'build') . '/curfew');
# Waits are for conditions; this is only where a test gives up. Instrumented builds are slow, so it is ample.
our $PATIENCE = $ENV{CURFEW_PATIENCE} || 30;

my @running;

# curfew(policy => "lua", args => [...], before => [...options...], env => {...}, stdin => path): a Curfew that runs.
# files => { name => text }: further files beside the policy. command => [...]: what follows "--".
sub curfew {
	my (%o) = @_;
	my $self = bless { dir => File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1), %o }, 'Curfew';
	my $dir = "$self->{dir}";
	$self->{err} = "$dir/stderr";
	$self->{out} = "$dir/stdout";
	$self->{mark} = "$dir";
	spew("$dir/$_", $o{files}{$_}) for keys %{ $o{files} || {} };
	POSIX::mkfifo("$dir/nobody", 0600); # who opens it waits in C for ever: nobody writes
	my @argv = (POSIX::getcwd() . "/$BIN");
	@argv = ($BIN) if $BIN =~ m{^/};
	push @argv, 'run', @{ $o{before} || [] };
	if (defined $o{policy}) {
		spew("$dir/policy.lua", $o{policy});
		push @argv, 'policy.lua';
	}
	push @argv, '--', @{ $o{command} } if $o{command};
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		chdir $dir or POSIX::_exit(99);
		$ENV{CURFEW_TEST} = $dir;
		$ENV{$_} = $o{env}{$_} for keys %{ $o{env} || {} };
		open STDIN, '<', $o{stdin} || '/dev/null' or POSIX::_exit(99);
		open STDOUT, '>', $self->{out} or POSIX::_exit(99);
		open STDERR, '>', $self->{err} or POSIX::_exit(99);
		$SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE); # whatever started this test, under nohup or not
		$o{child}->() if $o{child};
		exec { $argv[0] } @argv or POSIX::_exit(98);
	}
	$self->{pid} = $pid;
	$self->{began} = time;
	push @running, $self;
	return $self;
}

sub log { slurp($_[0]{err}) // '' }
sub output { slurp($_[0]{out}) // '' }

# Wait until the log matches; the first capture (or 1). Dies with the log when it never does.
sub wait_log {
	my ($self, $re) = @_;
	my $hit;
	wait_until(sub { $self->log =~ $re and $hit = defined $1 ? $1 : 1 or $self->ended_now }) or die "no $re in the log:\n" . $self->log;
	return $hit if $hit or ($self->log =~ $re and $hit = defined $1 ? $1 : 1);
	die "it ended without $re in the log:\n" . $self->log;
}

sub signal {
	my ($self, $sig) = @_;
	$self->{signalled} //= time;
	kill $sig, $self->{pid};
	return $self;
}

# Reaps without waiting; true once it has ended.
sub ended_now {
	my ($self) = @_;
	return 1 if defined $self->{status};
	my $got = waitpid $self->{pid}, POSIX::WNOHANG();
	if ($got == $self->{pid}) {
		$self->{status} = $?;
		$self->{ended} = time;
		return 1;
	}
	return 0;
}

# Wait for the end; its exit code (128 + n when a signal ended it). Dies, and ends it, when it does not come.
sub wait_exit {
	my ($self, $patience) = @_;
	unless (wait_until(sub { $self->ended_now }, $patience)) {
		kill 'KILL', $self->{pid};
		waitpid $self->{pid}, 0;
		$self->{status} = 9;
		die "it did not end:\n" . $self->log;
	}
	my $s = $self->{status};
	return $s & 127 ? 128 + ($s & 127) : $s >> 8;
}

# Seconds from the first signal (or the start) to the end.
sub took { my ($self) = @_; return $self->{ended} - ($self->{signalled} // $self->{began}) }

# What the policy logged with curfew.log.info("> …"), in order.
sub marks { my ($self) = @_; return [ $self->log =~ /> ([^\n]*?)\s*$/mg ] }

# Runs that are over, looked at and no longer needed: their directories go.
sub forget {
	@running = grep { !$_->ended_now } @running;
}

# Processes that carry this run's mark in their environment.
sub leftovers {
	my ($self) = @_;
	my @left;
	for my $proc (glob '/proc/[0-9]*') {
		my ($pid) = $proc =~ /(\d+)/;
		next if $pid == $$ or (!defined $self->{status} and $pid == $self->{pid});
		my $env = slurp("$proc/environ");
		push @left, $pid if defined $env and $env =~ /(?:^|\0)CURFEW_TEST=\Q$self->{mark}\E\0/;
	}
	return @left;
}

# The same, once what was killed has had a moment to die.
sub left_behind {
	my ($self) = @_;
	my @left;
	wait_until(sub { @left = $self->leftovers; !@left }, 2);
	return @left;
}

sub slurp {
	my ($path) = @_;
	open my $f, '<:raw', $path or return undef;
	local $/;
	my $text = <$f>;
	return defined $text ? $text : '';
}

sub spew {
	my ($path, $text) = @_;
	open my $f, '>:raw', $path or die "$path: $!";
	print $f $text;
	close $f or die "$path: $!";
}

# Poll a condition until it holds or patience is over; its value.
sub wait_until {
	my ($cond, $patience) = @_;
	my $end = time + ($patience || $PATIENCE);
	my $got;
	until ($got = $cond->()) {
		return if time > $end;
		sleep 0.005;
	}
	return $got;
}

# A new pseudo-terminal: its end for us, and the path of the other; an empty list when there is none.
sub terminal {
	sysopen my $master, '/dev/ptmx', O_RDWR | O_NOCTTY or return;
	my $number = pack 'i', 0;
	ioctl $master, 0x40045431, $number or return; # TIOCSPTLCK
	ioctl $master, 0x80045430, $number or return; # TIOCGPTN
	return ($master, '/dev/pts/' . unpack 'i', $number);
}

# A connected socket to "127.0.0.1:80" or "unix:/path"; undef when refused.
sub connect_to {
	my ($addr) = @_;
	return IO::Socket::UNIX->new(Peer => $1) if $addr =~ /^unix:(.*)/;
	return IO::Socket::INET->new(PeerAddr => $addr, Timeout => $PATIENCE);
}

# GET path at addr (one request, its connection closed by us): (status, body, headers text); empty list when refused or cut.
sub http_get {
	my ($addr, $path, %o) = @_;
	my $s = connect_to($addr) or return;
	my $method = $o{method} || 'GET';
	my $body = $o{body} // '';
	print $s "$method $path HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" . ($o{headers} // '') . ($body ne '' ? 'Content-Length: ' . length($body) . "\r\n" : '') . "\r\n$body";
	my $text = '';
	my $sel = IO::Select->new($s);
	while ($sel->can_read($PATIENCE)) {
		my $n = sysread $s, $text, 65536, length $text;
		last unless $n;
	}
	return unless $text =~ m{^HTTP/1\.[01] (\d+)[^\r\n]*\r\n(.*?)\r\n\r\n(.*)}s;
	return ($1, $3, $2);
}

END {
	my $code = $?;
	for my $r (@running) {
		next if $r->ended_now;
		kill 'KILL', $r->{pid};
		waitpid $r->{pid}, 0;
		$r->{status} = 9;
	}
	for my $r (@running) {
		kill 'KILL', $_ for $r->leftovers; # each bears the mark of a run of this very test
	}
	$? = $code;
}

1;
