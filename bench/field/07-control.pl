# A service that takes 1.5 s to stop, and a question to the manager meanwhile.
use strict;
use warnings;
use Field;
use Setups;

pain(7, 'circus#540', 'the control plane freezes during a stop');

my $slow = 'echo up; trap "sleep 1.5; exit 0" TERM; while :; do sleep 0.02; done';

# What the command answers during the stop, and how long it took.
sub answered {
	my ($r, $command, $want, $signal) = @_;
	$r->seen(qr/\bup\b/);
	$r->signal($signal // 'TERM') if !ref $signal;
	$signal->() if ref $signal;
	sleep 0.3;
	my $from = time;
	my $answer = qx{timeout 5 $command 2>&1};
	my $took = time - $from;
	my ($line) = $answer =~ /([^\n]*$want[^\n]*)/;
	return has(!defined $line || $took > 1, sprintf 'asked during the stop: "%s" after %.2f s', $line // (split /\n/, $answer)[0] // '', $took);
}

on(curfew => sub {
	my $r = curfew_policy("sh('slow', [[$slow]])", '--control', 'sock');
	return answered($r, "$CURFEW status -s $r->{dir}/sock", 'slow');
});
on(supervisord => sub {
	my $r = supervisord(slow => "command=sh -c '$slow'");
	return answered($r, Setups::find('supervisorctl') . " -c $r->{dir}/conf status slow", 'STOPPING');
});
on(s6    => sub { my $r = s6(slow => { run => "#!/bin/sh\n$slow\n" }); answered($r, "s6-svstat $r->{dir}/s/slow", 'want down') });
on(runit => sub { my $r = runit(slow => { run => "#!/bin/sh\n$slow\n" }); answered($r, "sv status $r->{dir}/s/slow", 'got TERM', 'HUP') });
on(haproxy => sub {
	my ($r, $port) = haproxy('');
	my $busy = connect_to($port);
	syswrite $busy, "GET /1000 HTTP/1.1\r\nHost: x\r\n\r\n";
	sleep 0.2;
	$r->signal('USR1');
	sleep 0.2;
	my $s = IO::Socket::UNIX->new(Peer => "$r->{dir}/sock");
	my $answer = '';
	if ($s) {
		syswrite $s, "show info\n";
		vec(my $bits = '', fileno $s, 1) = 1;
		sysread $s, $answer, 65536 if select $bits, undef, undef, 1;
	}
	return has($answer !~ /^Stopping: 1/m, 'asked during the stop: ' . ($answer =~ /^(Stopping: .*)/m ? "\"$1\"" : 'no answer'));
});

1;
