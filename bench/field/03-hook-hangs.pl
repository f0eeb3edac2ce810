# A hook before the stop never ends. The timeout of the stop has to hold all the same.
use strict;
use warnings;
use Field;
use Setups;

pain(3, 'hapi#3944', "the stop's timeout leaves the pre-stop hooks out");

on(curfew => sub {
	my $r = curfew_policy('web():pre_stop(function() curfew.sleep "1h" end)', '--exit-timeout', '1s');
	curfew_port($r);
	$r->signal('TERM')->code(4);
	return has($r->took > 2, $r->took_text);
});
on(exiting => sub {
	my $r = exiting_hapi("const s = server(); s.ext('onPreStop', () => sleep(3600000)); Exiting.createManager(s, { exitTimeout: 1000 }).start().then(() => mark('up'));");
	$r->seen(qr/> up/);
	$r->signal('TERM')->code(4);
	return has($r->took > 2, $r->took_text . '; without exiting, hapi itself waits on');
});
1;
