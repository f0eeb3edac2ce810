# A grace of 1 s: a hook before the stop takes 700 ms of it, then what is stopped does not end.
use strict;
use warnings;
use Field;
use Setups;

pain(2, 'kubernetes#115817', 'a hung pre-stop and an ignored TERM take twice the grace');

on(curfew => sub {
	my $r = curfew_policy(<<'END', '--exit-timeout', '1s');
local p = sh("p", "trap '' TERM; echo up; while :; do sleep 0.05; done", { stop = { { signal = "TERM", wait = "1s" } } })
p:pre_stop(function() curfew.sleep "700ms" end)
END
	$r->seen(qr/\bup\b/);
	$r->signal('TERM')->code;
	return has($r->took > 1.5, $r->took_text);
});
on(exiting => sub {
	my $port = free_port();
	my $r = exiting_hapi("const s = server(); s.ext('onPreStop', () => sleep(700)); Exiting.createManager(s, { exitTimeout: 1000 }).start().then(() => mark('up'));", $port);
	$r->seen(qr/> up/);
	my $busy = connect_to($port);
	syswrite $busy, "GET /60000 HTTP/1.1\r\nHost: x\r\n\r\n";
	sleep 0.2;
	$r->signal('TERM')->code;
	return has($r->took > 1.5, $r->took_text);
});
# runit's control/t runs before the TERM, and sv's wait counts from its own beginning.
on(runit => sub {
	my $r = runit_forced(1, p => { run => "#!/bin/sh\ntrap '' TERM\necho up\nwhile :; do sleep 0.05; done\n" });
	mkdir "$r->{dir}/s/p/control";
	spew("$r->{dir}/s/p/control/t", "#!/bin/sh\nsleep 0.7\nexit 1\n", 0755);
	$r->seen(qr/\bup\b/);
	$r->signal('TERM')->code;
	return has($r->took > 2.7, $r->took_text . ' (sv looks once a second)');
});
1;
