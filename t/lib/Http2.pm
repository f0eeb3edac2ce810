# Http2.pm: as much of an HTTP/2 client (RFC 9113) as shows what a server does to a connection in the end: requests without a body,
# the statuses 200 and other, GOAWAY.
package Http2;
use strict;
use warnings;
use IO::Socket::INET;
use Time::HiRes qw(time);

my %TYPE = (data => 0, headers => 1, reset => 3, settings => 4, ping => 6, goaway => 7, window => 8);
my $WIDE = (1 << 31) - 1;

# { statuses of streams => 200 or 0, over => streams that have ended, reset => streams with their codes, goaway => [[last stream, code], …], closed }
sub new {
	my ($class, $port) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp') or return;
	my $self = bless { s => $s, next => 1, in => '', status => {}, over => {}, reset => {}, goaway => [] }, $class;
	$self->{s}->autoflush(1);
	print $s "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	$self->send_frame('settings', 0, 0, pack 'nN', 4, $WIDE);
	$self->send_frame('window', 0, 0, pack 'N', $WIDE - 65535);
	return $self;
}

sub send_frame {
	my ($self, $type, $flags, $stream, $payload) = @_;
	local $SIG{PIPE} = 'IGNORE';
	return print { $self->{s} } substr(pack('N', length $payload), 1) . pack('CCN', $TYPE{$type}, $flags, $stream) . $payload;
}

# A GET; the number of its stream. :method GET, :scheme http by their numbers in the static table, two literals.
sub ask {
	my ($self, $path) = @_;
	my $stream = $self->{next};
	$self->{next} += 2;
	$self->send_frame('headers', 5, $stream, "\x82\x86\x04" . pack('C/a', $path) . "\x01" . pack('C/a', 'x'));
	return $stream;
}

sub take_frame {
	my ($self) = @_;
	return if length $self->{in} < 9;
	my $n = unpack 'N', "\0" . substr $self->{in}, 0, 3;
	return if length $self->{in} < 9 + $n;
	my ($type, $flags, $stream) = unpack 'CCN', substr $self->{in}, 3, 6;
	my $payload = substr $self->{in}, 9, $n;
	substr($self->{in}, 0, 9 + $n) = '';
	$self->{status}{$stream} = ord $payload == 0x88 ? 200 : 0 if $type == $TYPE{headers} and !exists $self->{status}{$stream};
	$self->{over}{$stream} = 1 if ($type == $TYPE{headers} or $type == $TYPE{data}) and $flags & 1;
	$self->{reset}{$stream} = unpack 'N', $payload if $type == $TYPE{reset};
	push @{ $self->{goaway} }, [ unpack 'NN', $payload ] if $type == $TYPE{goaway};
	$self->send_frame('settings', 1, 0, '') if $type == $TYPE{settings} and !($flags & 1);
	$self->send_frame('ping', 1, 0, $payload) if $type == $TYPE{ping} and !($flags & 1);
	return 1;
}

# Read until done says so, or the server has closed, or 20 s are over. What done said.
sub until {
	my ($self, $done) = @_;
	my $end = time + ($ENV{CURFEW_PATIENCE} // 20);
	while (1) {
		1 while $self->take_frame;
		my $got = $done->($self);
		return $got if $got or $self->{closed} or time > $end;
		vec(my $set = '', fileno $self->{s}, 1) = 1;
		next if !select $set, undef, undef, 0.1;
		my $n = sysread $self->{s}, $self->{in}, 65536, length $self->{in};
		$self->{closed} = 1 if !$n;
	}
}

# A whole reply with the status 200.
sub is_served { my ($self, $stream) = @_; return $self->until(sub { $_[0]{over}{$stream} }) && $self->{status}{$stream} == 200 }

1;
