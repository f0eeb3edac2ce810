# At the stop: a keep-alive connection that is idle, and one whose request takes 300 ms more. The first must not hold up the end,
# the second must get its reply, and be told that there will be no other.
use strict;
use warnings;
use Field;
use Setups;

pain(17, 'node#2642, gunicorn#1236', 'keep-alive blocks the close, or loses requests');

sub keep_alive {
	my ($r, $port, $signal) = @_;
	my ($idle, $busy) = (connect_to($port), connect_to($port));
	ask($idle, '/') =~ / 200 / or die 'no reply';
	syswrite $busy, "GET /300 HTTP/1.1\r\nHost: x\r\n\r\n";
	sleep 0.1;
	$r->signal($signal);
	my $reply = '';
	while (sysread $busy, $reply, 65536, length $reply) { last if $reply =~ /ok\n/ }
	close $busy;
	my $code = $r->code(6);
	my $told = $reply =~ /^Connection: close/mi;
	return has(!defined $code || $r->took > 2 || $reply !~ /ok\n/ || !$told, 'the request under way ' . ($reply =~ /ok\n/ ? 'has its reply' : 'is lost')
		. ($told ? ', told to close' : ', not told to close') . '; ' . $r->took_text);
}

on(curfew => sub { my $r = curfew_policy('web()'); keep_alive($r, curfew_port($r), 'TERM') });
on(exiting => sub {
	my $port = free_port();
	my $r = exiting_hapi("Exiting.createManager(server()).start().then(() => mark('up'));", $port);
	$r->seen(qr/> up/);
	return keep_alive($r, $port, 'TERM');
});
on(nginx   => sub { keep_alive(nginx('', ''), 'QUIT') });
on(haproxy => sub { keep_alive(haproxy(''), 'USR1') });

1;
