# A grandchild called setsid and ignores TERM. Outside a container nobody but the manager can end it.
use strict;
use warnings;
use Field;
use Setups;

pain(12, 'process-compose PR#521, dumb-init#191', 'the leader is gone, the group lives on; setsid escapes');

sub escapes {
	my ($r, $signal) = @_;
	$r->seen(qr/\bup\b/);
	sleep 0.2;
	$r->signal($signal // 'TERM')->code(8);
	my $left = $r->left_behind(2);
	return has($left > 0, ($left ? "$left processes left" : 'nothing left') . ' when it had ended, after ' . $r->took_text);
}

my $leaver = 'setsid sh -c "trap : TERM HUP; echo up; while :; do sleep 0.05; done" & trap "exit 0" TERM; while :; do sleep 0.02; done';
on(curfew      => sub { escapes(init('curfew', $leaver)) });
on(tini        => sub { escapes(init('tini', $leaver, '-s', '-g')) });
on('dumb-init' => sub { escapes(init('dumb-init', $leaver)) });
on(supervisord => sub { escapes(supervisord(p => "command=sh -c '$leaver'\nstopasgroup=true\nkillasgroup=true")) });
on(s6          => sub { escapes(s6(p => { run => "#!/bin/sh\n$leaver\n" })) });
on(runit       => sub { escapes(runit(p => { run => "#!/bin/sh\n$leaver\n" }), 'HUP') });

1;
