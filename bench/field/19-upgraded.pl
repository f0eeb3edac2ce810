# Two connections that are no longer HTTP (curfew: of a TCP server): one has 300 ms more to say, the other never ends. The first must
# be let finish, the second be cut at the deadline of 2 s.
use strict;
use warnings;
use Field;
use Setups;

pain(19, 'golang/go#17721, uvicorn#1344', 'upgraded connections are forgotten');

sub echoes { my ($s) = @_; my $got = ''; syswrite $s, "x\n" or return 0; vec(my $r = '', fileno $s, 1) = 1; return select($r, undef, undef, 1) && sysread $s, $got, 10 }

sub upgraded {
	my ($r, $port, $signal, $upgrade) = @_;
	my ($talk, $endless) = map {
		my $s = connect_to($port);
		!$upgrade || ask($s, '/', "Connection: Upgrade\r\nUpgrade: echo\r\n") =~ / 101 / or die 'no upgrade';
		$s;
	} 1 .. 2;
	local $SIG{PIPE} = 'IGNORE';
	echoes($_) or die 'no echo' for $talk, $endless;
	$r->signal($signal);
	my $heard = 0;
	for (1 .. 6) { sleep 0.05; $heard += echoes($talk) ? 1 : 0 }
	close $talk;
	my $code = $r->code(5);
	return has($heard < 6 || !defined $code || $r->took > 3.5, "of 6 messages after the signal $heard were answered; " . $r->took_text);
}

on(curfew => sub {
	my $r = curfew_policy(<<'END', '--exit-timeout', '2s');
local s = curfew.tcp { name = "echo", listen = "127.0.0.1:0", handler = function(conn) for chunk in conn:chunks() do conn:write(chunk) end end }
s:post_start(function() mark("web " .. s.address) end)
END
	return upgraded($r, curfew_port($r), 'TERM');
});
on(exiting => sub {
	my $port = free_port();
	my $r = exiting_hapi(<<'END', $port);
const s = server();
s.listener.on('upgrade', (req, socket) => {
	socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
	socket.on('data', (data) => socket.write(data));
	socket.on('error', () => {});
});
Exiting.createManager(s, { exitTimeout: 2000 }).start().then(() => mark('up'));
END
	$r->seen(qr/> up/);
	return upgraded($r, $port, 'TERM', 1);
});
on(nginx => sub {
	my @it = nginx('worker_shutdown_timeout 2s;', 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";');
	return upgraded(@it, 'QUIT', 1);
});
on(haproxy => sub { upgraded(haproxy("\thard-stop-after 2s"), 'USR1', 1) });

1;
