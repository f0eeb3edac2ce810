# A service that ignores TERM, or a request that does not end, with a grace of 1 s where one can be set.
use strict;
use warnings;
use Field;
use Setups;

pain(16, 'baseimage-docker#506', 'a service that ignores TERM hangs for ever');

sub bounded { my ($r, $signal) = @_; my $code = $r->signal($signal // 'TERM')->code(6); return has(!defined $code, $r->took_text) }
sub up { my ($r) = @_; $r->seen(qr/\bup\b/); sleep 0.1; return $r }
sub request { my ($r, $port) = @_; my $s = connect_to($port); syswrite $s, "GET /60000 HTTP/1.1\r\nHost: x\r\n\r\n"; sleep 0.2; return $s }

my $deaf = 'trap "" TERM; echo up; while :; do sleep 0.05; done';
my %run  = (p => { run => "#!/bin/sh\n$deaf\n", 'timeout-kill' => "1000\n" });
on(curfew      => sub { bounded(up(curfew_policy("sh('p', [[$deaf]], { stop = { { signal = 'TERM', wait = '1s' }, { signal = 'KILL' } } })"))) });
on(tini        => sub { bounded(up(init('tini', $deaf))) });
on('dumb-init' => sub { bounded(up(init('dumb-init', $deaf))) });
on(supervisord => sub { bounded(up(supervisord(p => "command=sh -c '$deaf'\nstopwaitsecs=1\nkillasgroup=true"))) });
on(s6          => sub { bounded(up(s6(%run))) });
on(runit       => sub { bounded(up(runit_forced(1, %run))) });
on(exiting => sub {
	my $port = free_port();
	my $r = up(exiting_hapi("Exiting.createManager(server(), { exitTimeout: 1000 }).start().then(() => mark('up'));", $port));
	my $s = request($r, $port);
	return bounded($r);
});
on(nginx   => sub { my ($r, $port) = nginx('worker_shutdown_timeout 1s;', ''); my $s = request($r, $port); bounded($r, 'QUIT') });
on(haproxy => sub { my ($r, $port) = haproxy("\thard-stop-after 1s"); my $s = request($r, $port); bounded($r, 'USR1') });

1;
