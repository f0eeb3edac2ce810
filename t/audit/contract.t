#!/usr/bin/perl
# contract.t: rules of the contract through the real binary, where no other test goes the whole way.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
local s = curfew.server { name = "s", start = function() end, stop = function() mark "stop" end }
s:pre_stop(function(ctx) mark("pre " .. ctx.trigger.name .. " " .. ctx.mode) end)
LUA
# Never returns, and no hook of Lua's can interrupt it.
my $BLOCK = 'io.open "nobody"';

sub run_it { my ($lua, %o) = @_; return curfew(policy => $HEAD . $lua, %o) }
sub marks_of { return join ', ', @{ $_[0]->marks } }

# S2.5: where an error can come from, once the first server was started
for my $case (
	['the main script', 'curfew.start() error "x"'],
	['a timer', 'curfew.start() curfew.after(0, function() error "x" end)'],
	['a callback', 'curfew.start() curfew.sleep("1ms", function() error "x" end)'],
	['a repeated timer', 'curfew.start() curfew.every("1ms", function() error "x" end)'],
) {
	my ($where, $lua) = @$case;
	my $r = run_it($lua);
	is($r->wait_exit . ': ' . marks_of($r), '1: pre error abort', "S2.5: an uncaught error in $where: abort(1)") or diag $r->log;
}

{
	my $r = run_it('curfew.subscribe("stopping", function() error "x" end) curfew.start() curfew.stop { exit = false } mark(curfew.state) curfew.sleep("1h")');
	is($r->wait_exit, 1, 'S2.5: an uncaught error in an event handler: abort(1)') or diag $r->log;
	like($r->log, qr/uncaught error: policy\.lua:5: x/, 'S2.5: and is shown with its place');
}

# S3.4: the callback style of what waits for the whole
{
	my $r = run_it('curfew.start(function(ok) mark("started " .. tostring(ok)) curfew.stop({ exit = false }, function(done) mark("stopped " .. tostring(done)) curfew.exit(5) end) end)');
	is($r->wait_exit, 5, 'S3.4: start and stop with callbacks');
	is(marks_of($r), 'started true, pre stop graceful, stop, stopped true', 'S3.4: each called back once, when it is over') or diag $r->log;
}

# S2.16, S3.2: a rule may answer a failed start
{
	my $FAILS = 'local n = 0 local f = curfew.server { name = "f", start = function() n = n + 1 mark("try " .. n) if n < 3 then error "no luck" end end, stop = function() mark "f stop" end } f:after(s) ';
	my $r = run_it($FAILS . 'curfew.on("start_failed", function(t) mark(("%s %s %d"):format(t.server.name, t.error:match "no luck", t.count)) return curfew.restart end) curfew.start() mark(f.state) curfew.stop()');
	is($r->wait_exit, 0, 'S2.16: restart answers a failed start');
	is(marks_of($r), 'try 1, f no luck 1, f stop, try 2, f no luck 2, f stop, try 3, started, f stop, pre stop graceful, stop',
		'S2.16, S3.2: what failed is stopped, and tried again within the same start') or diag $r->log;
	$r = run_it($FAILS . 'curfew.on("start_failed", curfew.ignore) local ok, message = curfew.start() mark(tostring(ok) .. " " .. message:match "no luck") mark(s.state) curfew.stop()');
	is($r->wait_exit, 0, 'S2.16: ignore answers a failed start');
	like(marks_of($r), qr/^try 1, f stop, nil no luck, started, pre stop graceful, stop$/, 'S3.2: the first error is what start() fails with; the others stay') or diag $r->log;
}

# S3.3: who waits for the start of all hears that a stop has come in between
{
	my $r = run_it('local slow = curfew.server { name = "slow", start = function() curfew.sleep "50ms" end, stop = function() mark "slow stop" end } curfew.spawn(function() curfew.sleep "10ms" curfew.stop() end) local ok, message, code = curfew.start() mark(tostring(ok) .. " " .. message .. " " .. code)');
	is($r->wait_exit . ': ' . marks_of($r), '0: nil a stop of all has come in between ECANCELED, pre stop graceful, slow stop, stop',
		'S3.3: a start that a stop breaks off has not passed its time') or diag $r->log;
}

# S4.6: refused in an abort and past the margin
{
	my $EXTEND = 's:pre_stop(function(ctx) curfew.sleep("%s") local ok, message, code = ctx:extend("20s") mark(tostring(ok) .. " " .. tostring(code)) end) curfew.start() %s';
	my $r = run_it(sprintf($EXTEND, '1ms', 'curfew.exit(3)'));
	is($r->wait_exit . ': ' . marks_of($r), '3: pre exit abort, nil EPERM', 'S4.6: ctx:extend is refused in an abort') or diag $r->log;
	$r = run_it('s:pre_stop(function(ctx) local ok, message, code repeat curfew.sleep("5ms") ok, message, code = ctx:extend("1ms") until not ok mark(tostring(ok) .. " " .. code) end) curfew.start() curfew.stop()', before => ['--exit-timeout', '3s']);
	is($r->wait_exit . ': ' . marks_of($r), '255: pre stop graceful, nil EPERM', 'S4.6: and past the margin') or diag $r->log;
}

# S4.8: a rule that never returns from C, before any stop began
{
	my $r = run_it("curfew.configure { exit_timeout = '500ms' } s:post_start(function() mark 'READY' end) curfew.on('SIGTERM', function() $BLOCK end)");
	$r->wait_log(qr/> READY/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S4.8: a rule that blocks the loop in C: 255');
	cmp_ok($r->took, '<', 0.5 + 2, 'S4.8: in time');
}

# S5.1: nothing of the caller runs on, also where it left from within a handler
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET /"] = function() pcall(os.exit, 0) curfew.log.info("> HELD") end } }
web:post_start(function() curfew.log.info("READY " .. web.address) end)
LUA
	my ($status) = http_get('127.0.0.1:' . $r->wait_log(qr/READY 127\.0\.0\.1:(\d+)/), '/');
	is($r->wait_exit, 0, 'S5.2: os.exit(0) in a request handler');
	is($status, 500, 'S6.3: its client is answered');
	is(marks_of($r), '', 'S5.2: and no pcall held it');
}

done_testing;
