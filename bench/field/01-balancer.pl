# A balancer learns of the stop 300 ms late and sends new connections until then. The stop may wait for it.
use strict;
use warnings;
use Field;
use Setups;

pain(1, 'kubernetes#43576, spring-boot#22487, caddy#2843', "requests lost: the stop races the balancer's update");

sub late_clients {
	my ($r, $port, $signal) = @_;
	$r->signal($signal);
	my ($asked, $lost, $end) = (0, 0, time + 0.3);
	while (time < $end) {
		$asked++;
		$lost++ if ask($port, '/', "Connection: close\r\n") !~ / 200 /;
		sleep 0.02;
	}
	$r->code(5) // die "it does not end";
	return has($lost > 0, "$lost of $asked requests on new connections lost");
}

on(curfew => sub {
	my $r = curfew_policy('web():pre_stop(function() curfew.sleep "600ms" end)');
	return late_clients($r, curfew_port($r), 'TERM');
});
on(exiting => sub {
	my $port = free_port();
	my $r = exiting_hapi("const s = server(); s.ext('onPreStop', () => sleep(600)); Exiting.createManager(s).start().then(() => mark('up'));", $port);
	$r->seen(qr/> up/);
	return late_clients($r, $port, 'TERM');
});
on(nginx   => sub { late_clients(nginx('', ''), 'QUIT') });
on(haproxy => sub { late_clients(haproxy("\tgrace 600ms"), 'USR1') });
1;
