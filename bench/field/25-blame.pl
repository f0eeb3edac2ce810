# One of two services is too slow, and cut after 1 s. Afterwards the log has to say which it was; and where there are hooks, one has
# to know how much time it has.
use strict;
use warnings;
use Field;
use Setups;

pain(25, 'systemd#3371, kubernetes PR#125746', 'no blame for a slow stop; the app does not know its budget');

sub blames {
	my ($r, $re, $signal) = @_;
	$r->seen(qr/up slow/);
	$r->seen(qr/up quick/);
	$r->signal($signal // 'TERM')->code(6);
	my ($line) = $r->log =~ /([^\n]*$re[^\n]*)/;
	return (defined $line, 'the log says ' . (defined $line ? '"' . ($line =~ s/^\s+//r =~ s/^[\d:., -]+//r) . '"' : 'nothing of the slow one'));
}

my $slow  = 'trap "" TERM; echo up slow; while :; do sleep 0.05; done';
my $quick = 'echo up quick; exec sleep 99';
on(curfew => sub {
	my $r = curfew_policy("sh('slow', [[$slow]]):pre_stop(function(ctx) mark('budget ' .. ctx:remaining()) end) sh('quick', [[$quick]])", '--exit-timeout', '1s');
	my ($blamed, $saw) = blames($r, qr/slow: cut/);
	my ($budget) = $r->log =~ /> budget ([\d.]+)/;
	return has(!$blamed || !$budget, "$saw; the hook knows that it has " . ($budget ? sprintf '%.2f s', $budget : 'an unknown time'));
});
on(exiting => sub {
	my $r = exiting_hapi("const s = server(), q = server(); s.ext('onPreStop', () => sleep(60000)); Exiting.createManager([s, q], { exitTimeout: 1000 }).start().then(() => { mark('up slow'); mark('up quick'); });");
	my ($blamed, $saw) = blames($r, qr/(?<!up )slow|Error|timeout/);
	return has(!$blamed, $saw);
});
on(supervisord => sub {
	my $r = supervisord(slow => "command=sh -c '$slow'\nstopwaitsecs=1\nkillasgroup=true", quick => "command=sh -c '$quick'");
	my ($blamed, $saw) = blames($r, qr/killing .*slow/);
	return has(!$blamed, $saw);
});
my %run = (slow => { run => "#!/bin/sh\n$slow\n", 'timeout-kill' => "1000\n" }, quick => { run => "#!/bin/sh\n$quick\n" });
on(s6    => sub { my ($blamed, $saw) = blames(s6(%run), qr/(?<!up )slow/); has(!$blamed, $saw) });
on(runit => sub { my ($blamed, $saw) = blames(runit_forced(1, %run), qr{/slow:}); has(!$blamed, $saw) });

1;
