#!/usr/bin/perl
# reload_points.t: S4.12, S8.2: the orchestrator is killed around the swap of a reload: the hooks that run are all those of the old
# policy or all those of the new one, each of them once.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use Test::More;
use Time::HiRes qw(time sleep);

# The servers a, b, c in one order or the other, with x in between: none keeps its place.
sub policy {
	my ($version, @names) = @_;
	my $lua = <<"LUA";
local curfew = require "curfew"
local function trace(name) local f = io.open("traces", "a") f:write(name, " $version\\n") f:close() end
curfew.on("SIGHUP", curfew.reload)
curfew.pre_stop(function() trace "global" end)
curfew.after(0, function() curfew.log.info "> up" end)
LUA
	return $lua . join '', map { qq(curfew.server { name = "$_", start = function() end }:pre_stop(function() trace "$_" end)\n) } @names;
}

my $POINTS = $ENV{POINTS} || ($ENV{SAN} ? 15 : 75);
my (@bad, %ran);
my $began = time;
my $done = 0;
for my $i (1 .. $POINTS) {
	last if time - $began > 80;
	my $r = curfew(policy => policy(1, qw(a b c)));
	$r->wait_log(qr/> up/);
	$r->wait_log(qr/started 3 servers/); # before that nothing is owed
	my $o = orchestrator($r);
	spew("$r->{dir}/policy.lua", policy(2, qw(c x b a)));
	kill 'HUP', $r->{pid};
	sleep 0.0001 * ($i * 7 % 75);
	kill 'KILL', $o;
	my $code = $r->wait_exit;
	$done++;
	my (%times, %version);
	for (traces($r)) {
		my ($name, $v) = split ' ';
		$times{$name}++;
		$version{$v}++;
	}
	my @why = map { "hook $_ ran " . ($times{$_} // 0) . ' times' } grep { ($times{$_} // 0) != 1 } qw(global a b c);
	push @why, 'x ran twice' if ($times{x} // 0) > 1; # where it had not started yet nothing is owed to it
	push @why, 'hooks of both policies' if keys %version != 1;
	push @why, "code $code" if $code != 137;
	push @why, 'something is left' if $r->left_behind;
	$ran{$_}++ for keys %version;
	push @bad, "point $i: " . join('; ', @why) . "\n" . join(', ', traces($r)) . "\n" . $r->log if @why;
}
diag(join ', ', map { "policy $_: $ran{$_}" } sort keys %ran);
is("@bad[0 .. ($#bad < 2 ? $#bad : 2)]", '', "S4.12: $done points around a swap: every hook ran once, all of one policy");
is(scalar @bad, 0, 'at every point');
cmp_ok($done, '>=', 10, 'at some of them');
done_testing;
