# Stopped without a signal: by a command and, where there is one, over HTTP or from a script.
use strict;
use warnings;
use Field;
use Setups;

pain(8, 'circus#917, pebble#70', 'only a signal can stop it');

sub stops {
	my ($r, %ways) = @_;
	my @dead;
	for my $way (sort keys %ways) {
		my $each = $r->();
		$each->seen(qr/\bup\b/);
		$ways{$way}->($each);
		push @dead, $way if !defined $each->code(5);
		$each->finish;
	}
	return has(scalar @dead, @dead ? "does not stop it: @dead" : 'stopped by: ' . join ', ', sort keys %ways);
}

my $up = 'echo up; exec sleep 99';
on(curfew => sub {
	my $policy = sub { curfew_policy("sh('p', [[$up]]) curfew.every('20ms', function() curfew.fs.exists('now', function(yes) if yes then curfew.stop() end end) end)", '--control', 'sock') };
	return stops($policy,
		'a command' => sub { system "$CURFEW stop -s $_[0]{dir}/sock >/dev/null 2>&1" },
		'HTTP'      => sub { system "curl -s -X POST --unix-socket $_[0]{dir}/sock http://x/v1/stop >/dev/null 2>&1" },
		'a script'  => sub { spew("$_[0]{dir}/now", '') },
	);
});
on(exiting => sub {
	my $js = "const m = Exiting.createManager(server()); m.start().then(() => mark('up')); setInterval(() => { if (require('fs').existsSync('now')) { m.stop(); process.exit(0); } }, 20);";
	return stops(sub { exiting_hapi($js) }, 'a script' => sub { spew("$_[0]{dir}/now", '') });
});
on(supervisord => sub { stops(sub { supervisord(p => "command=sh -c '$up'") }, 'a command' => sub { supervisorctl($_[0], 'shutdown') }) });
on(s6 => sub { stops(sub { s6(p => { run => "#!/bin/sh\n$up\n" }) }, 'a command' => sub { system "s6-svscanctl -t $_[0]{dir}/s" }) });

1;
