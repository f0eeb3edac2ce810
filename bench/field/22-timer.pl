# A timer that fires for ever and a task that sleeps for an hour.
use strict;
use warnings;
use Field;
use Setups;

pain(22, 'lua-nginx-module#1279, PR#2497', 'a timer blocks the exit');

sub ends { my ($r) = @_; $r->seen(qr/> up/); my $code = $r->signal('TERM')->code(6); return has(!defined $code || $r->took > 2 || $code, $r->took_text . ', code ' . ($code // 'none')) }

on(curfew => sub {
	ends(curfew_policy('curfew.every("1h", print) curfew.spawn(function() curfew.sleep "1h" end) curfew.server { name = "s", start = function() curfew.after("50ms", function() mark "up" end) end }'));
});
on(exiting => sub { ends(exiting_hapi("setInterval(() => {}, 3600000); sleep(3600000); Exiting.createManager(server()).start().then(() => mark('up'));")) });

1;
