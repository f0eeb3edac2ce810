# One server has started, the start of the next one hangs, and a TERM comes. What has started is owed its stop hooks.
use strict;
use warnings;
use Field;
use Setups;

pain(4, 'fx#1035', 'a start that does not end leaves the stop hooks out');

on(curfew => sub {
	my $r = curfew_policy(<<'END', '--exit-timeout', '1s');
local a = curfew.server { name = "a", start = function() end, stop = function() mark "a stopped" end }
a:pre_stop(function() mark "a hook" end)
curfew.server { name = "b", after = { a }, start = function() mark "b starts" curfew.sleep "1h" end }
END
	$r->seen(qr/> b starts/);
	$r->signal('TERM')->code;
	my $by_term = $r->log =~ /> a hook/;
	$r = curfew_policy(<<'END', '--start-timeout', '300ms');
local a = curfew.server { name = "a", start = function() end, stop = function() end }
a:pre_stop(function() mark "a hook" end)
curfew.server { name = "b", after = { a }, start = function() curfew.sleep "1h" end }
END
	$r->code;
	my $by_timeout = $r->log =~ /> a hook/;
	return has(!$by_term || !$by_timeout, 'hooks of the one that had started: ' . ($by_term ? 'run' : 'left out') . ' at a TERM, '
		. ($by_timeout ? 'run' : 'left out') . ' at the start timeout');
});
on(exiting => sub {
	my $r = exiting_hapi(<<'END');
const a = server(), b = server();
a.ext('onPreStop', () => mark('a hook'));
b.ext('onPreStart', async () => { while (!a.info.started) { await sleep(5); } mark('b starts'); await sleep(3600000); });
Exiting.createManager([a, b], { exitTimeout: 1000 }).start();
END
	$r->seen(qr/> b starts/);
	my $code = $r->signal('TERM')->code;
	return has($r->log !~ /> a hook/, "hooks of the one that had started: " . ($r->log =~ /> a hook/ ? 'run' : 'left out') . ", code $code");
});
1;
