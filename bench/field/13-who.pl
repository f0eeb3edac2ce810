# Two services; one of them takes its time to stop. Whoever asks has to be told which.
use strict;
use warnings;
use Field;
use Setups;

pain(13, 'process-compose#354, systemd#12262', '"a stop job is running": who?');

sub who_is_it {
	my ($r, $command, $want, $signal) = @_;
	$r->seen(qr/up slow/);
	$r->seen(qr/up quick/);
	$r->signal($signal // 'TERM');
	my $line;
	wait_for(sub { ($line) = ($command ? qx{timeout 5 $command 2>&1} : $r->log) =~ /([^\n]*$want[^\n]*)/ }, 2);
	return has(!defined $line, 'during the stop it says: ' . (defined $line ? '"' . ($line =~ s/^\s+//r) . '"' : 'nothing about the slow one'));
}

my $slow  = 'echo up slow; trap "sleep 3; exit 0" TERM; while :; do sleep 0.02; done';
my $quick = 'echo up quick; exec sleep 99';
my %run   = (slow => { run => "#!/bin/sh\n$slow\n" }, quick => { run => "#!/bin/sh\n$quick\n" });
on(curfew => sub {
	my $r = curfew_policy("sh('slow', [[$slow]]) sh('quick', [[$quick]])", '--control', 'sock');
	return who_is_it($r, "$CURFEW status -s $r->{dir}/sock", 'waits for slow');
});
on(exiting => sub {
	my $r = exiting_hapi("const s = server(), q = server(); s.ext('onPreStop', () => sleep(3000)); Exiting.createManager([s, q]).start().then(() => { mark('up slow'); mark('up quick'); });");
	return who_is_it($r, undef, 'slow: ');
});
on(supervisord => sub { who_is_it(supervisord(slow => "command=sh -c '$slow'", quick => "command=sh -c '$quick'"), undef, 'waiting for .*slow.* to die') });
on(s6    => sub { my $r = s6(%run); who_is_it($r, "s6-svstat $r->{dir}/s/slow", 'want down') });
on(runit => sub { my $r = runit(%run); who_is_it($r, "sv status $r->{dir}/s/*", 'slow: .*got TERM', 'HUP') });
1;
