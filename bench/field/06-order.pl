# app needs db. db takes 300 ms to be ready; app takes 300 ms to end and writes into db until then.
use strict;
use warnings;
use Field;
use Setups;

pain(6, 'circus#746, supervisor#520', 'order without waiting');

my $db  = 'trap "echo db-term; exit 0" TERM; sleep 0.3; echo db-ready; touch ready; while :; do sleep 0.02; done';
my $app = 'echo app-up; trap "sleep 0.3; echo app-done; exit 0" TERM; while :; do sleep 0.02; done';

sub in_order {
	my ($r, $signal) = @_;
	$r->seen(qr/app-up/);
	$r->seen(qr/db-ready/);
	sleep 0.1;
	$r->signal($signal // 'TERM')->code;
	my $log = $r->log;
	my $up   = $log =~ /db-ready.*app-up/s;
	my $down = $log =~ /app-done.*db-term/s;
	return has(!$up || !$down, 'app started ' . ($up ? 'when db was ready' : 'before db was ready') . ', db was told to stop '
		. ($down ? 'when app had ended' : 'while app still needed it'));
}

on(curfew => sub {
	in_order(curfew_policy(<<"END"));
local db = sh("db", [[$db]], { ready = { exec = { "test", "-e", "ready" } } })
sh("app", [[$app]]):after(db)
END
});
on(supervisord => sub { in_order(supervisord(db => "command=sh -c '$db'\npriority=1", app => "command=sh -c '$app'\npriority=2")) });
# s6 without s6-rc: app waits for db's readiness with s6-svwait; at the end everybody is told at once.
on(s6 => sub {
	in_order(s6(
		db  => { run => "#!/bin/sh\n" . ($db =~ s/touch ready/echo >&3/r) . "\n", 'notification-fd' => "3\n" },
		app => { run => "#!/bin/sh\nsleep 0.1; s6-svwait -U ../db\n$app\n" },
	));
});
# runit: app's run starts db and asks its check script, as runit's documentation has it.
on(runit => sub {
	my $r = runit(
		db  => { run => "#!/bin/sh\n$db\n", check => "#!/bin/sh\ntest -e ready\n" },
		app => { run => "#!/bin/sh\nsv start ../db || exit 1\n$app\n" },
	);
	return in_order($r, 'HUP');
});
1;
