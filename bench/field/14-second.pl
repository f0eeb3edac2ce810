# A stop that takes long, and a second Ctrl-C (nginx, haproxy: what their manuals say for "now").
use strict;
use warnings;
use Field;
use Setups;

pain(14, 'docker/compose#1729', 'the second Ctrl-C is ignored while busy');

sub second {
	my ($r, $first, $then) = @_;
	$r->signal($first);
	sleep 0.3;
	my $from = time;
	$r->signal($then);
	my $code = $r->code(2.5);
	return has(!defined $code, defined $code ? sprintf('ends %.2f s after the second, with %d', $r->{end} - $from, $code) : 'goes on for more than 2.5 s');
}

sub busy { my ($r, $port) = @_; my $s = connect_to($port); syswrite $s, "GET /60000 HTTP/1.1\r\nHost: x\r\n\r\n"; sleep 0.2; return $s }

on(curfew => sub {
	my $r = curfew_policy(<<'END', '--exit-timeout', '30s');
curfew.on("SIGINT", function(t) if t.count > 1 then return curfew.abort(130) end end)
curfew.server { name = "s", start = function() mark "up" end, stop = function() curfew.sleep "20s" end }
END
	$r->seen(qr/> up/);
	return second($r, 'INT', 'INT');
});
on(exiting => sub {
	my $r = exiting_hapi("const s = server(); s.ext('onPreStop', () => sleep(20000)); Exiting.createManager(s, { exitTimeout: 30000 }).start().then(() => mark('up'));");
	$r->seen(qr/> up/);
	return second($r, 'INT', 'INT');
});
on(supervisord => sub {
	my $r = supervisord(p => "command=sh -c 'trap : TERM; echo up; while :; do sleep 0.05; done'\nstopwaitsecs=8");
	$r->seen(qr/\bup\b/);
	return second($r, 'INT', 'INT');
});
on(nginx   => sub { my ($r, $port) = nginx('', ''); my $s = busy($r, $port); second($r, 'QUIT', 'INT') });
on(haproxy => sub { my ($r, $port) = haproxy(''); my $s = busy($r, $port); second($r, 'USR1', 'INT') });

1;
