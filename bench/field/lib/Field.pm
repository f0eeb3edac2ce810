# Field.pm: runs a program as its users would, in a directory of its own, looks at it from outside, and leaves nothing behind.
#
# A script of this folder is one pain: it calls pain(number, where, what) and on(PROGRAM => sub { … }) for each program that it is
# about. Such a sub returns what has(…) returns: whether the pain shows, and what was seen.
package Field;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter 'import';
use File::Basename qw(dirname);
use File::Temp ();
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(time sleep);

our @EXPORT = qw(pain on has start free_port origin wait_for slurp spew ask connect_to sleep time $CURFEW $BUILD);
our $BUILD  = abs_path($ENV{BUILD} // dirname(abs_path(__FILE__)) . '/../../../build') // die "there is no build: make\n";
our $CURFEW = $ENV{CURFEW} // "$BUILD/curfew";
our $here   = dirname(dirname(abs_path(__FILE__)));
my $patience = $ENV{CURFEW_PATIENCE} || 20; # where a wait gives up

our $pain;   # the one that is being read
my @running; # all that was started

sub pain { my ($number, $where, $what) = @_; $pain = { number => $number, where => $where, what => $what, on => {} }; return }
sub on { my ($program, $sub) = @_; $pain->{on}{$program} = $sub; return }
sub has { my ($shows, $saw) = @_; return { shows => $shows ? 1 : 0, saw => $saw } }

sub slurp {
	my ($file) = @_;
	open my $in, '<:raw', $file or return undef;
	local $/;
	return <$in> // '';
}

sub spew {
	my ($file, $text, $mode) = @_;
	open my $out, '>', $file or die "$file: $!\n";
	print $out $text;
	close $out or die "$file: $!\n";
	chmod $mode, $file if $mode;
	return $file;
}

# Until the condition holds, or patience (seconds) is over: its value.
sub wait_for {
	my ($cond, $seconds) = @_;
	my $end = time + ($seconds // $patience);
	my $got;
	until ($got = $cond->()) {
		return $got if time > $end;
		sleep 0.005;
	}
	return $got;
}

sub free_port {
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp') or die "no free port: $!\n";
	return $s->sockport;
}

sub connect_to { my ($port) = @_; return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp', Timeout => 5) }

# One request on a connection (or a port: on a new one); the reply, '' when none came. headers: more of them, each with its end.
sub ask {
	my ($to, $path, $headers, $seconds) = @_;
	my $s = ref $to ? $to : connect_to($to) or return '';
	local $SIG{PIPE} = 'IGNORE';
	syswrite $s, "GET $path HTTP/1.1\r\nHost: x\r\n" . ($headers // '') . "\r\n" or return '';
	my ($reply, $end) = ('', time + ($seconds // 5));
	while (time < $end && $reply !~ /\r\n\r\n.*ok\n|\r\n\r\n.*0\r\n\r\n|^HTTP\S+ (?:101|5\d\d).*\r\n\r\n/s) {
		vec(my $r = '', fileno $s, 1) = 1;
		next if !select $r, undef, undef, 0.05;
		sysread $s, $reply, 65536, length $reply or last;
	}
	return $reply;
}

# An origin for proxies: bench/field/origin, on a port of its own.
sub origin {
	my $port = free_port();
	my $o = start([ $^X, "$here/origin", $port ]);
	wait_for(sub { connect_to($port) }) or die "no origin: " . $o->log;
	return $port;
}

# ---- a program that runs

# start([COMMAND…], env => {}, dir => DIRECTORY): ends with this script, all that it started included.
sub start {
	my ($command, %o) = @_;
	my $dir = $o{dir} // folder();
	my $self = bless { dir => $dir, mark => "$dir-" . @running, began => time }, 'Field';
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		setpgrp;
		chdir $dir or POSIX::_exit(99);
		$ENV{FIELD_RUN} = $self->{mark};
		$ENV{$_} = $o{env}{$_} for keys %{ $o{env} // {} };
		open STDIN,  '<',  '/dev/null' or POSIX::_exit(99);
		open STDOUT, '>>', "$dir/log" or POSIX::_exit(99);
		open STDERR, '>&', \*STDOUT or POSIX::_exit(99);
		$SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE);
		exec { $command->[0] } @$command or POSIX::_exit(98);
	}
	$self->{pid} = $pid;
	push @running, $self;
	return $self;
}

my @folders;
sub folder { push @folders, File::Temp->newdir('curfew-field-XXXXXX', TMPDIR => 1); chmod 0755, "$folders[-1]"; return "$folders[-1]" }

sub log { my ($self) = @_; return slurp("$self->{dir}/log") // '' }

# Waits until the log has it; the first capture, or 1.
sub seen {
	my ($self, $re, $seconds) = @_;
	my $hit;
	my $look = sub { $self->log =~ $re and $hit = $1 // 1 };
	wait_for(sub { $look->() || $self->ended }, $seconds);
	return $hit // ($look->() ? $hit : die "no $re in: " . $self->log . "\n");
}

sub signal { my ($self, $signal) = @_; $self->{told} //= time; kill $signal => $self->{pid}; return $self }

sub ended {
	my ($self) = @_;
	return 1 if defined $self->{status};
	return 0 if waitpid($self->{pid}, POSIX::WNOHANG()) != $self->{pid};
	($self->{status}, $self->{end}) = ($?, time);
	return 1;
}

# Its code (128 + n: of a signal), or undef when it lives on for so many seconds.
sub code {
	my ($self, $seconds) = @_;
	return undef if !wait_for(sub { $self->ended }, $seconds // $patience);
	return $self->{status} & 127 ? 128 + ($self->{status} & 127) : $self->{status} >> 8;
}

sub took { my ($self) = @_; return ($self->{end} // time) - ($self->{told} // $self->{began}) }
sub took_text { my ($self) = @_; return defined $self->{end} ? sprintf '%.1f s', $self->took : sprintf 'still there after %.1f s', $self->took }

# What lives of all that it started, itself not.
sub left {
	my ($self) = @_;
	my @left;
	for my $proc (glob '/proc/[0-9]*') {
		my ($pid) = $proc =~ /(\d+)/;
		next if $pid == $$ || $pid == $self->{pid};
		push @left, $pid if (slurp("$proc/environ") // '') =~ /(?:^|\0)FIELD_RUN=\Q$self->{mark}\E\0/;
	}
	return @left;
}

# The same, once what is dying has had a moment.
sub left_behind { my ($self, $seconds) = @_; my @l; wait_for(sub { @l = $self->left; !@l }, $seconds // 1); return scalar @l }

# What is below a process now. For those that overwrite their environment, as nginx does.
sub below {
	my ($top) = @_;
	my (%children, @below);
	for my $stat (glob '/proc/[0-9]*/stat') {
		push @{ $children{$2} }, $1 if (slurp($stat) // '') =~ /^(\d+) \(.*\) \S (\d+)/s;
	}
	for (my @next = $top; @next;) {
		my @found = @{ $children{ shift @next } // [] };
		push @below, @found;
		push @next, @found;
	}
	return @below;
}

sub finish {
	my ($self) = @_;
	kill KILL => below($self->{pid}), $self->{pid} if !$self->ended;
	wait_for(sub { $self->ended }, 5);
	for (1 .. 200) {
		my @left = $self->left or last;
		kill KILL => @left;
		sleep 0.01;
	}
	return;
}

sub finish_all { (pop @running)->finish while @running; @folders = (); return }
END { my $code = $?; finish_all(); $? = $code }
$SIG{$_} = sub { exit 1 } for qw(INT TERM HUP);

1;
