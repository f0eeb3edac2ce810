# Five reloads, each with a request under way that takes a minute. What is old has 1 s, where such a bound can be set.
use strict;
use warnings;
use Field;
use Setups;

pain(21, 'haproxy#155, ingress-nginx PR#1088', 'old generations pile up');

sub generations {
	my ($r, $port, $reload) = @_;
	my @held;
	for (1 .. 5) {
		my $s = connect_to($port) // die "connect: $!";
		syswrite $s, "GET /60000 HTTP/1.1\r\nHost: x\r\n\r\n";
		push @held, $s;
		sleep 0.15;
		$reload->();
		sleep 0.35;
	}
	sleep 2;
	my $open = grep { my $s = $_; vec(my $bits = '', fileno $s, 1) = 1; !select $bits, undef, undef, 0 } @held;
	my $serves = ask($port, '/') =~ / 200 /;
	return has($open > 0 || !$serves, "$open of 5 old requests still there after 2 s" . ($serves ? '' : ', and nobody serves'));
}

on(curfew => sub {
	my $r = curfew_policy("curfew.configure { reload_grace = '1s' } curfew.on('SIGHUP', curfew.reload) web()");
	my $port = curfew_port($r);
	return generations($r, $port, sub { $r->signal('HUP') });
});
on(nginx => sub { my ($r, $port) = nginx('worker_shutdown_timeout 1s;', ''); generations($r, $port, sub { $r->signal('HUP') }) });
on(haproxy => sub { my ($r, $port) = haproxy("\thard-stop-after 1s", '-W'); generations($r, $port, sub { $r->signal('USR2') }) });

1;
