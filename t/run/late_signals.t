#!/usr/bin/perl
# late_signals.t: what comes when the code is settled changes nothing (S4.3, S4.11): an impatient second Ctrl-C, a hail of signals.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $RUNS = $ENV{CURFEW_LATE_RUNS} || 60;
my %codes;
for my $i (1 .. $RUNS) {
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.server { name = "s", start = function() curfew.log.info("READY") end, stop = function() end }
LUA
	$r->wait_log(qr/READY/);
	$r->signal('TERM');
	# until it has ended: each of these is graceful(0), so the code is 0 whenever it comes
	kill $_, $r->{pid} while !$r->ended_now and ($_ = (qw(INT QUIT TERM PIPE))[rand 4]);
	my $s = $r->{status};
	$codes{ $s & 127 ? 'signal ' . ($s & 127) : $s >> 8 }++;
}
is_deeply(\%codes, { 0 => $RUNS }, "S4.3: signals up to the very end, $RUNS stops: code 0 each time") or diag explain \%codes;

# a log that may not grow (ulimit -f) is no reason to die without hooks
{
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	spew("$dir/policy.lua", <<'LUA');
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function() os.exit(3) end)
s:post_start(function() curfew.after(0, curfew.stop) end)
LUA
	my $bin = $BIN =~ m{^/} ? $BIN : POSIX::getcwd() . "/$BIN";
	spew("$dir/log", 'full');
	system('sh', '-c', "ulimit -f 0; exec $bin run $dir/policy.lua 2>>$dir/log");
	is($? & 127, 0, 'S4.12: SIGXFSZ does not end it');
	is($? >> 8, 3, 'S4.12: its hook ran');
	is(slurp("$dir/log"), 'full', 'and the log could indeed not grow');
}

done_testing;
