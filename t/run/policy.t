#!/usr/bin/perl
# policy.t: what a script is told about failed starts, triggers and stops, through the real binary.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use IO::Socket::INET;
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(...) curfew.log.info(">", ...) end
local function nop() end
LUA

sub run_it { my ($lua, %o) = @_; return curfew(policy => $HEAD . $lua, %o) }
sub marks_of { return join ', ', @{ $_[0]->marks } }

# ---- triggers that hooks see

{
	my $r = run_it(<<'LUA');
local s = curfew.server { name = "s", start = nop, stop = nop }
s:pre_stop(function(ctx) mark(ctx.trigger.error, ctx.trigger.traceback:match "policy%.lua:6: in upvalue 'inner'") end)
local function inner() error "boom" end
local function outer() inner() return 1 end
curfew.start()
curfew.after(0, outer)
LUA
	is($r->wait_exit, 1, 'S4.2: an uncaught error aborts');
	is(marks_of($r), "policy.lua:6: boom policy.lua:6: in upvalue 'inner'", "a hook's ctx.trigger has error and traceback") or diag $r->log;
}

# ---- failed starts: S2.16, S3.2

my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0') or die "no socket: $!";
my $port = $taken->sockport;
my $TELL = 'local ok, message, code = curfew.start() mark(("%s|%s|%s"):format(ok, message, code)) curfew.stop()';
for my $case (
	['a taken address', qq(curfew.tcp { name = "b", listen = "127.0.0.1:$port", handler = nop }), qr/b: cannot listen on 127\.0\.0\.1:$port: Address already in use/, 'EADDRINUSE'],
	['a program that is not there', 'curfew.process { name = "b", command = { "/nowhere/at all" } }', qr/b: cannot run [^\n]*: No such file or directory/, 'ENOENT'],
	['a Lua error', 'curfew.server { name = "b", start = function() error "boom" end }', qr/b: policy\.lua:4: boom/, 'ELUA'],
	['nil and a message', 'curfew.server { name = "b", start = function() return nil, "no luck" end }', qr/b: no luck/, 'ELUA'],
	['nil, a message and a code', 'curfew.server { name = "b", start = function() return curfew.fs.read "/nowhere/x" end }', qr/b: \S[^\n]*No such file or directory/, 'ENOENT'],
	['false', 'curfew.server { name = "b", start = function() return false end }', qr/b: start returned false/, 'ELUA'],
	['a code of the script', 'curfew.server { name = "b", start = function() return nil, "slow", "ETIMEDOUT" end }', qr/b: slow/, 'ETIMEDOUT'],
) {
	my ($what, $lua, $message, $code) = @$case;
	my $r = run_it("$lua curfew.on('start_failed', curfew.ignore) $TELL");
	is($r->wait_exit, 0, "S3.2: $what: start() fails, the script goes on");
	my ($said) = @{ $r->marks };
	like($said, qr/^nil\|$message\|$code$/, "S3.2: $what: the message with the name once, and the code") or diag $r->log;
	like($r->log, qr/ b: failed to start: (?!b: )[^\n]+\n/, "S3.2: $what: and in the log");
	unlike($r->log, qr/b: failed to start[^\n]*(?:\\n|traceback)/, "S3.2: $what: in one line");
}
{
	my $r = run_it('curfew.server { name = "b", start = function() return nil end } curfew.start() mark(curfew.state) curfew.stop()');
	is($r->wait_exit . ': ' . marks_of($r), '0: started', 'start of curfew.server: nil alone is no failure');
}
{
	my $r = run_it(<<'LUA');
local function inner() error "boom" end
curfew.server { name = "b", start = function() inner() return true end }
curfew.on("start_failed", function(t) mark(t.error, t.traceback:match "policy%.lua:4: in upvalue 'inner'") end)
LUA
	is($r->wait_exit, 1, 'S2.16: a failed start: 1');
	is(marks_of($r), "policy.lua:4: boom policy.lua:4: in upvalue 'inner'", 'S2.16: the trigger has error and traceback') or diag $r->log;
	like($r->log, qr/policy\.lua:4: in upvalue 'inner'/, 'and the log shows the traceback');
}

# ---- the last word: what is answered by a stop that needs no wait

for my $case (['at once', ''], ['slowly', 'curfew.server { name = "s", start = nop, stop = function() curfew.sleep "20ms" end }']) {
	my ($how, $lua) = @$case;
	my $r = run_it("$lua curfew.server { name = 'b', start = function() curfew.sleep '5ms' error 'boom' end } local ok, message = curfew.start() mark(tostring(ok), message)");
	is($r->wait_exit, 1, "S3.2: a failed start that stops $how");
	is(marks_of($r), 'nil b: policy.lua:4: boom', 'S3.2: start() is answered before the end') or diag $r->log;
	$r = run_it("$lua curfew.server { name = 'b', start = function() error 'boom' end } curfew.start(function(ok, message) mark(tostring(ok), message) end)");
	is($r->wait_exit . ': ' . marks_of($r), '1: nil b: policy.lua:4: boom', 'S3.2: and with a callback') or diag $r->log;
	$r = run_it("$lua curfew.server { name = 'b', start = function() error 'boom' end } if not curfew.start() then os.exit(7) end");
	is($r->wait_exit, 7, 'S4.3: a code that is asked for then counts');
	$r = run_it("$lua curfew.server { name = 'b', start = function() error 'boom' end } assert(curfew.start())");
	is($r->wait_exit, 1, 'an error then');
	like($r->log, qr/uncaught error: [^\n]*b: policy\.lua:4: boom/, 'is shown') or diag $r->log;
}
{
	my $r = run_it('curfew.server { name = "s", start = nop, stop = nop } curfew.subscribe("stopping", function() mark "stopping" end) curfew.start() curfew.stop()');
	is($r->wait_exit . ': ' . marks_of($r), '0: stopping', 'an event handler for "stopping" is called in a stop without hooks') or diag $r->log;
	$r = run_it('curfew.server { name = "s", start = nop } curfew.subscribe("stopping", function() while true do end end) curfew.start() curfew.stop()');
	$r->wait_exit;
	cmp_ok($r->took, '<', 3, 'S6.5: bounded by its slice');
	$r = run_it('curfew.server { name = "s", start = nop } curfew.subscribe("stopping", function() mark "never" end) curfew.on("stop", curfew.kill(3)) curfew.start() curfew.stop()');
	is($r->wait_exit . ': ' . marks_of($r), '3: ', 'S4.14: nothing of a script runs after a kill');
}

# ---- triggers of one's own: S10.1

for my $case (
	['a misspelt one', '"nope"', 'curfew.trigger: unknown trigger "nope"; one of your own is written "custom:nope"'],
	['a misspelt signal', '"SIGTREM"', 'curfew.trigger: unknown trigger "SIGTREM", did you mean "SIGTERM"?'],
	(map { ["only curfew's, $_", qq("$_"), qq(curfew.trigger: only curfew itself raises "$_")] } qw(crash closed rejection stall)),
) {
	my ($what, $arg, $message) = @$case;
	my $r = run_it("\ncurfew.trigger($arg)");
	is($r->wait_exit, 2, "S10.1: curfew.trigger: $what is an error");
	like($r->log, qr/\Qpolicy.lua:5: $message\E/, 'that says so, with file and line') or diag $r->log;
}
{
	my $r = run_it(<<'LUA');
local s = curfew.server { name = "s", start = nop }
s:pre_stop(function(ctx) mark(ctx.trigger.name, ctx.trigger.code) end)
curfew.on("custom:deploy", function(t) mark(t.name) return curfew.graceful(4) end)
curfew.start()
curfew.trigger "custom:other"
curfew.trigger("custom:deploy", 3)
LUA
	is($r->wait_exit . ': ' . marks_of($r), '4: custom:deploy, custom:deploy 3', "S2.11: a trigger of the policy's own") or diag $r->log;
	like($r->log, qr/custom:other: ignore/, 'the log names one that no rule is for');
	like($r->log, qr/stop: graceful, code 4, because of custom:deploy\b/, 'and one that stops') or diag $r->log;
}
{
	my $r = run_it('curfew.server { name = "s", start = nop } curfew.start() curfew.trigger "sigterm"');
	is($r->wait_exit, 0, 'curfew.trigger of a signal');
	like($r->log, qr/because of SIGTERM/, 'is as if it had come');
}

# ---- ctx of curfew.server

{
	my $SERVER = 'local s = curfew.server { name = "s", start = function(ctx) mark(ctx.phase, tostring(ctx.trigger), ctx.mode, ctx:remaining() > 5 and ctx:remaining() <= 7 and ctx.deadline < math.huge) end, '
		. 'stop = function(ctx) mark(ctx.phase, ctx.trigger and ctx.trigger.name, ctx.mode) end, abort = function(ctx) mark(ctx.phase, ctx.trigger and ctx.trigger.name, ctx.mode) end, start_timeout = "7s" } ';
	my $r = run_it($SERVER . 'curfew.start() curfew.stop()');
	is($r->wait_exit . ': ' . marks_of($r), '0: start nil graceful true, stop stop graceful', "curfew.server: what start and stop are told") or diag $r->log;
	$r = run_it($SERVER . 'curfew.start() curfew.exit(3)');
	is($r->wait_exit . ': ' . marks_of($r), '3: start nil graceful true, abort exit abort', 'curfew.server: and abort') or diag $r->log;
	$r = run_it($SERVER . 'curfew.start() s:stop() curfew.stop()');
	is($r->wait_exit . ': ' . marks_of($r), '0: start nil graceful true, stop nil graceful', 'curfew.server: no trigger where it stops alone') or diag $r->log;
	$r = run_it('local s = curfew.server { name = "s", start = nop, stop = function(ctx) mark(ctx.trigger.error) end } curfew.on("error", curfew.graceful(6)) curfew.start() error "boom"');
	is($r->wait_exit . ': ' . marks_of($r), '6: policy.lua:4: boom', 'curfew.server: the trigger has its error') or diag $r->log;
}

# ---- S3.5

{
	my $S = 'local s = curfew.server { name = "s", start = nop, stop = function() mark "stop" end } s:pre_stop(function() mark "pre" end) curfew.start() ';
	my $r = run_it($S . 'curfew.deactivate() curfew.deactivate() mark "left" os.exit(300)');
	is($r->wait_exit . ': ' . marks_of($r), '44: left', "S3.5: os.exit is Lua's own again") or diag $r->log;
	$r = run_it($S . 'curfew.deactivate() os.exit(false)');
	is($r->wait_exit . ': ' . marks_of($r), '1: ', 'S3.5: with true and false too') or diag $r->log;
	$r = run_it($S . 'curfew.after("10ms", function() mark "after" end) curfew.every("1ms", function() mark "every" end) curfew.deactivate() '
		. 'curfew.after("20ms", function() mark "later" end) curfew.sleep "40ms" mark(curfew.exec { "sh", "-c", "exit 5" }.code) os.exit(3)');
	is($r->wait_exit . ': ' . marks_of($r), '3: later, 5', 'S3.5: timers of before are cancelled; what comes later runs') or diag $r->log;
	$r = run_it($S . 'curfew.deactivate() curfew.after(0, function() error "boom" end) curfew.spawn(function() error "bang" end) curfew.sleep "20ms" mark "on" curfew.stop()');
	is($r->wait_exit . ': ' . marks_of($r), '0: on, pre, stop', 'S3.5: an error is no trigger any more') or diag $r->log;
	like($r->log, qr/policy\.lua:4: boom.*policy\.lua:4: bang|policy\.lua:4: bang.*policy\.lua:4: boom/s, 'S3.5: but logged');
}

# ---- a peer that has gone

{
	my $r = run_it(<<'LUA');
local echo = curfew.tcp { name = "echo", listen = "127.0.0.1:0", handler = function(conn)
	while true do
		local ok, message, code = conn:write "x"
		if not ok then mark(message, code) return curfew.stop() end
		curfew.sleep "1ms"
	end
end }
echo:post_start(function() mark("at", echo.address) end)
LUA
	my $s = connect_to($r->wait_log(qr/> at (\S+)/));
	sysread $s, my $got, 1;
	setsockopt $s, SOL_SOCKET, SO_LINGER, pack('II', 1, 0);
	close $s;
	is($r->wait_exit, 0, 'a connection whose peer has reset it');
	like(marks_of($r), qr/, write: (?:Connection reset by peer ECONNRESET|Broken pipe EPIPE)$/, 'says so') or diag $r->log;
}

done_testing;
