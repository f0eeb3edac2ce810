#!/usr/bin/perl
# second_life.t: S3.4, S4.12, S8.2: what is started after a stop that did not end the process is owed every pre_stop hook anew, the
# global ones too: at a crash, and in a stop.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use Test::More;

sub policy {
	my ($again) = @_;
	return <<"LUA";
local curfew = require "curfew"
local function trace(what) local f = io.open("traces", "a") f:write(what, "\\n") f:close() end
curfew.on("idle", curfew.ignore)
local a = curfew.server { name = "a", start = function() end, stop = function() end }
local b = curfew.server { name = "b", start = function() end, stop = function() end }
b:after(a)
a:pre_stop(function() trace "a" end)
curfew.pre_stop(function() trace "global" end)
curfew.start()
curfew.stop { exit = false }
trace "then"
$again
curfew.log.info "> up"
LUA
}

for my $again ('curfew.start()', 'a:start()') {
	my $r = curfew(policy => policy($again));
	my $o = wait_started($r);
	is(join(' ', traces($r)), 'global a then', "$again: the first stop has run its hooks");
	kill 'KILL', $o;
	is($r->wait_exit, 137, "$again: the orchestrator is killed");
	is(join(' ', (traces($r))[0 .. 2], sort(grep { defined } (traces($r))[3 .. 9])), 'global a then a global', "S8.2: $again: each is run once more") or diag $r->log;

	$r = curfew(policy => policy($again));
	wait_started($r);
	$r->signal('TERM');
	is($r->wait_exit, 0, "$again: SIGTERM ends it");
	is(join(' ', traces($r)), 'global a then global a', "S4.1: $again: the second stop runs them, in order") or diag $r->log;
}
done_testing;
