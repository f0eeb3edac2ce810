# At the TERM the child ends with 3. What does its manager end with?
use strict;
use warnings;
use Field;
use Setups;

pain(10, 'overmind#29', 'cause and code of the end are lost');

sub result_of {
	my ($r, $signal, $cause) = @_;
	$r->seen(qr/\bup\b/);
	my $code = $r->signal($signal // 'TERM')->code(5);
	return has(!defined $code || $code != 3, 'the child ends with 3, the manager with ' . ($code // 'nothing')
		. (defined $cause ? ', its log ' . ($r->log =~ $cause ? 'tells the cause' : 'does not tell the cause') : ''));
}

my $child = 'trap "exit 3" TERM; echo up; while :; do sleep 0.02; done';
on(curfew      => sub { result_of(init('curfew', $child), 'TERM', qr/because of SIGTERM/) });
on(tini        => sub { result_of(init('tini', $child)) });
on('dumb-init' => sub { result_of(init('dumb-init', $child)) });
on(supervisord => sub { result_of(supervisord(p => "command=sh -c '$child'"), 'TERM', qr/SIGTERM/) });
on(s6          => sub { result_of(s6(p => { run => "#!/bin/sh\n$child\n" })) });
on(runit       => sub { result_of(runit(p => { run => "#!/bin/sh\n$child\n" }), 'HUP') });

1;
