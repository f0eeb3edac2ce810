# KeepAlive.pm: clients that keep their connections, honour "Connection: close" and count every request. What a machine without a
# free moment has them send too late to be owed a reply (S9.2: within 100 ms) and that gets none counts as late, not as failed.
package KeepAlive;
use strict;
use warnings;
use Errno qw(EINPROGRESS EAGAIN EWOULDBLOCK);
use IO::Poll qw(POLLIN POLLOUT POLLERR POLLHUP);
use Socket;
use Time::HiRes qw(time);

my $GRACE = 0.1;

# new(port => N, clients => 64): nothing is sent yet.
sub new {
	my ($class, %o) = @_;
	my $self = bless { %o, sent => 0, done => 0, failed => 0, late => 0, refused => 0, polled => time, reasons => {}, poll => IO::Poll->new, conns => {} }, $class;
	$self->_open for 1 .. $o{clients};
	return $self;
}

sub _open {
	my ($self) = @_;
	socket my $s, AF_INET, SOCK_STREAM, 0 or die "socket: $!";
	$s->blocking(0);
	my $c = { s => $s, state => 'connecting', in => '', since => time };
	if (!connect $s, sockaddr_in($self->{port}, INADDR_LOOPBACK)) {
		if ($! != EINPROGRESS) {
			$self->{refused}++;
			return;
		}
	}
	$self->{conns}{ fileno $s } = $c;
	$self->{poll}->mask($s => POLLOUT);
}

sub _drop {
	my ($self, $c) = @_;
	$self->{poll}->remove($c->{s});
	delete $self->{conns}{ fileno $c->{s} };
	close $c->{s};
}

sub _fail {
	my ($self, $c, $why) = @_;
	$self->{ $c->{waited} > $GRACE ? 'late' : 'failed' }++;
	$self->{reasons}{"$why (request " . ($c->{served} || 0) . " of its connection)"}++;
	$self->_drop($c);
}

sub _send {
	my ($self, $c) = @_;
	my $n = syswrite $c->{s}, "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	$self->{sent}++;
	$c->{waited} = time - $c->{since};
	if (!defined $n) {
		return $self->_fail($c, "write: $!");
	}
	$c->{state} = 'waiting';
	$self->{poll}->mask($c->{s} => POLLIN);
}

sub _read {
	my ($self, $c) = @_;
	my $n = sysread $c->{s}, $c->{in}, 65536, length $c->{in};
	return if !defined $n and ($! == EAGAIN or $! == EWOULDBLOCK);
	return $self->_fail($c, defined $n ? 'end of file instead of a reply' : "read: $!") unless $n;
	return unless $c->{in} =~ /^(.*?)\r\n\r\n(.*)/s;
	my ($head, $body) = ($1, $2);
	my ($len) = $head =~ /^content-length: (\d+)/mi or return $self->_fail($c, 'no content-length');
	return if length $body < $len;
	my ($status) = $head =~ m{^HTTP/1\.1 (\d+)};
	return $self->_fail($c, "status $status") if $status != 200;
	$self->{done}++;
	$c->{served}++;
	$c->{in} = '';
	$c->{since} = $self->{before};
	if ($head =~ /^connection: close/mi) {
		$self->_drop($c);
		$self->_open if $self->{again};
		return;
	}
	$self->_send($c);
}

# Go on until the condition holds or nobody is left; at most patience seconds.
sub run {
	my ($self, $until, $patience) = @_;
	my $end = time + $patience;
	while (%{ $self->{conns} } and time < $end and !$until->($self)) {
		$self->{before} = $self->{polled}; # no reply that is read now came before
		my $ready = $self->{poll}->poll(0.01);
		$self->{polled} = time;
		next if $ready <= 0;
		for my $s ($self->{poll}->handles(POLLIN | POLLOUT | POLLERR | POLLHUP)) {
			my $c = $self->{conns}{ fileno $s } or next;
			if ($c->{state} eq 'connecting') {
				my $err = unpack 'i', getsockopt $s, SOL_SOCKET, SO_ERROR;
				if ($err) {
					$self->{refused}++; # never let in: no request was lost
					$self->_drop($c);
					next;
				}
				$self->_send($c);
			} else {
				$self->_read($c);
			}
		}
	}
	return $self;
}

# Requests that were sent and have no reply yet.
sub owed {
	my ($self) = @_;
	return scalar grep { $_->{state} eq 'waiting' } values %{ $self->{conns} };
}

sub close_all {
	my ($self) = @_;
	$self->_drop($_) for values %{ $self->{conns} };
}

1;
