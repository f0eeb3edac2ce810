# A hundred idle connections. Closed within a moment, all come back at once; where closing can be spread, it is over 1 s here.
use strict;
use warnings;
use Field;
use Setups;

pain(20, 'firezone#11493', 'everybody is cut at once: a storm of reconnects');

sub storm {
	my ($r, $port, $signal) = @_;
	my @s = map { connect_to($port) // die "connect: $!" } 1 .. 100;
	for (@s) { ask($_, '/') =~ / 200 / or die 'no reply' }
	sleep 0.2;
	$r->signal($signal);
	my (@at, $end);
	my %open = map { fileno($_) => $_ } @s;
	$end = time + 5;
	while (%open && time < $end) {
		my $bits = '';
		vec($bits, $_, 1) = 1 for keys %open;
		select $bits, undef, undef, 0.05;
		for my $fd (keys %open) {
			next if !vec $bits, $fd, 1;
			sysread $open{$fd}, my $got, 4096 or do { push @at, time; delete $open{$fd} };
		}
	}
	die "some stay open\n" if %open;
	my $span = $at[94] - $at[5];
	return has($span < 0.3, sprintf 'nine of ten were closed within %.2f s', $span);
}

on(curfew => sub { my $r = curfew_policy(q(web { close_spread = "1s" })); storm($r, curfew_port($r), 'TERM') });
# exiting and hapi have nothing for it: a hook closes them one by one.
on(exiting => sub {
	my $port = free_port();
	my $r = exiting_hapi(<<'END', $port);
const s = server();
const open = new Set();
s.listener.on('connection', (c) => { open.add(c); c.on('close', () => open.delete(c)); });
s.ext('onPreStop', async () => { const all = [...open]; for (const c of all) { c.end(); await sleep(1000 / all.length); } });
Exiting.createManager(s).start().then(() => mark('up'));
END
	$r->seen(qr/> up/);
	return storm($r, $port, 'TERM');
});
on(nginx   => sub { storm(nginx('', ''), 'QUIT') });
on(haproxy => sub { storm(haproxy("\tclose-spread-time 1s"), 'USR1') });

1;
