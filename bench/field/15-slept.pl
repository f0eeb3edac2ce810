# All end at once when they are told; the grace is 4 s.
use strict;
use warnings;
use Field;
use Setups;

pain(15, 's6-overlay#628', 'the grace is slept through though all have gone');

sub prompt {
	my ($r, $signal) = @_;
	$r->seen(qr/\bup\b/);
	sleep 1.2; # runit and s6 wait for a second after a start
	$r->signal($signal // 'TERM')->code(10);
	return has($r->took > 2.5, $r->took_text);
}

my $p = 'echo up; exec sleep 99';
on(curfew      => sub { prompt(curfew_policy("sh('p', '$p', { stop = { { signal = 'TERM', wait = '4s' } } })", '--exit-timeout', '6s')) });
on(exiting     => sub { prompt(exiting_hapi("const s = server(); Exiting.createManager(s, { exitTimeout: 4000 }).start().then(() => mark('up'));")) });
on(tini        => sub { prompt(init('tini', $p)) });
on('dumb-init' => sub { prompt(init('dumb-init', $p)) });
on(supervisord => sub { prompt(supervisord(p => "command=sh -c '$p'\nstopwaitsecs=4")) });
on(s6          => sub { prompt(s6(p => { run => "#!/bin/sh\n$p\n", 'timeout-kill' => "4000\n" })) });
on(runit       => sub { prompt(runit_forced(4, p => { run => "#!/bin/sh\n$p\n" })) });
on(nginx       => sub { my ($r) = nginx('worker_shutdown_timeout 4s;', ''); has($r->signal('QUIT')->code(10) && 0 || $r->took > 2.5, $r->took_text) });
on(haproxy     => sub { my ($r) = haproxy("\thard-stop-after 4s"); has($r->signal('USR1')->code(10) && 0 || $r->took > 2.5, $r->took_text) });

1;
