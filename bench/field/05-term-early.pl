# TERM at 12 moments of the start. It may end at once, but it has to end, and nothing of it may stay. It is a race: what it shows of the others varies.
use strict;
use warnings;
use Field;
use Setups;

pain(5, 'Horust#58, pebble#410', 'TERM while starting hangs or orphans');

sub early {
	my ($start, $step, $signal) = @_;
	my ($hung, $left) = (0, 0);
	for my $i (1 .. 12) {
		my $r = $start->();
		sleep $i * $step;
		$r->signal($signal // 'TERM');
		$hung++ if !defined $r->code(4);
		$left += $r->left_behind(3) if defined $r->{status};
		$r->finish;
	}
	return has($hung || $left, "of 12: $hung did not end, $left processes left");
}

my $sleeper = "#!/bin/sh\nexec sleep 99\n";
on(curfew      => sub { early(sub { curfew_policy('for i = 1, 3 do sh("p" .. i, "exec sleep 99") end') }, 0.002) });
on(exiting     => sub { early(sub { exiting_hapi('const s = server(); Exiting.createManager(s).start();') }, 0.025) });
on(tini        => sub { early(sub { init('tini', 'exec sleep 99') }, 0.001) });
on('dumb-init' => sub { early(sub { init('dumb-init', 'exec sleep 99') }, 0.001) });
on(supervisord => sub { early(sub { supervisord(map { ("p$_" => "command=sleep 99\nstopwaitsecs=1") } 1 .. 3) }, 0.04) });
on(s6          => sub { early(sub { s6(map { ("p$_" => { run => $sleeper }) } 1 .. 3) }, 0.002) });
on(runit       => sub { early(sub { runit(map { ("p$_" => { run => $sleeper }) } 1 .. 3) }, 0.002, 'HUP') });
1;
