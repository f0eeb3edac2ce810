# Three connections that never sent anything, and no bound of time but the default one (see 16 for those).
use strict;
use warnings;
use Field;
use Setups;

pain(18, 'golang/go#22682', 'connections that never sent anything block the stop');

sub silent {
	my ($r, $port, $signal) = @_;
	my @silent = map { connect_to($port) } 1 .. 3;
	sleep 0.3;
	$r->signal($signal)->code(6);
	return has($r->took > 2, $r->took_text);
}

on(curfew => sub { my $r = curfew_policy('web()'); silent($r, curfew_port($r), 'TERM') });
on(exiting => sub {
	my $port = free_port();
	my $r = exiting_hapi("Exiting.createManager(server()).start().then(() => mark('up'));", $port);
	$r->seen(qr/> up/);
	return silent($r, $port, 'TERM');
});
on(nginx   => sub { silent(nginx('', ''), 'QUIT') });
on(haproxy => sub { silent(haproxy(''), 'USR1') });

1;
