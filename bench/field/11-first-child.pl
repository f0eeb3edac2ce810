# At the TERM the main child ends at once; another process of its group needs 300 ms to write what it has. In a container the
# kernel kills what is left when the first process ends.
use strict;
use warnings;
use Field;
use Setups;

pain(11, 'tini#180, dumb-init#80', 'PID 1 ends with its first child, the kernel kills the rest');

# Whether the manager was still there when the other had written.
sub waits_for_rest {
	my ($r, $signal) = @_;
	$r->seen(qr/\bup\b/);
	sleep 0.1;
	$r->signal($signal // 'TERM')->code(5);
	my $written = $r->log =~ /flushed/;
	return has(!$written, 'the rest had ' . ($written ? 'written' : 'not written') . ' when the manager ended, after ' . $r->took_text);
}

my $pair = '(trap "sleep 0.3; echo flushed; exit 0" TERM; echo up; while :; do sleep 0.02; done) & trap "exit 0" TERM; while :; do sleep 0.02; done';
on(curfew      => sub { waits_for_rest(init('curfew', $pair)) });
on(tini        => sub { waits_for_rest(init('tini', $pair, '-g')) });
on('dumb-init' => sub { waits_for_rest(init('dumb-init', $pair)) });
on(supervisord => sub { waits_for_rest(supervisord(p => "command=sh -c '$pair'\nstopasgroup=true\nkillasgroup=true")) });
on(s6          => sub { waits_for_rest(s6(p => { run => "#!/bin/sh\n$pair\n" })) });
on(runit       => sub { waits_for_rest(runit(p => { run => "#!/bin/sh\n$pair\n" }), 'HUP') });

1;
