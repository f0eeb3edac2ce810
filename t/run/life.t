#!/usr/bin/perl
# life.t: S3 and S4 through the real binary: starts, aborted starts, stops without an end, order, margins, extensions.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
local function server(name, o)
	o = o or {}
	local s = curfew.server {
		name = name, after = o.after,
		start = o.start or function() mark(name .. " start") end,
		stop = o.stop or function() mark(name .. " stop") end,
		abort = function() mark(name .. " abort") end,
	}
	s:pre_start(function() mark(name .. " pre_start") end)
	s:post_start(function() mark(name .. " post_start") end)
	s:pre_stop(o.pre or function() mark(name .. " pre") end)
	s:post_stop(function(ctx) mark(name .. " post " .. ctx.result) end)
	return s
end
LUA

sub run_it { my ($lua, %o) = @_; return curfew(policy => $HEAD . $lua, %o) }
sub marks_of { return join ', ', @{ $_[0]->marks } }

{
	my $r = run_it('server "db" server("web", { after = { "db" } }):post_start(function() curfew.after(0, curfew.stop) end)');
	is($r->wait_exit, 0, 'S3.1: start, then stop');
	is(marks_of($r), 'db pre_start, db start, db post_start, web pre_start, web start, web post_start, web pre, web stop, web post stopped, db pre, db stop, db post stopped',
		'S3.1, S4.1: dependencies first, and last; every hook in its place');
}
{
	my $r = run_it(<<'LUA');
server("a", { start = function() mark "a start" curfew.sleep("50ms") mark "a up" end })
server("b", { start = function() mark "b start" curfew.sleep("50ms") mark "b up" end })
server("last", { after = { "a", "b" } }):post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'S3.1: independent ones');
	like(marks_of($r), qr/a start.*b start.*a up.*b up.*last pre_start/, 'S3.1: side by side');
}
{
	my $r = run_it(<<'LUA');
server "db"
server("web", { after = { "db" }, start = function() mark "web start" error "port taken" end })
server("never", { after = { "web" } })
LUA
	is($r->wait_exit, 1, 'S3.2: a start that fails: 1');
	is(marks_of($r), 'db pre_start, db start, db post_start, web pre_start, web start, web stop, db pre, db stop, db post stopped',
		'S3.2: pre_stop for the started, stop for what had begun, nothing for the rest') || diag $r->log;
	like($r->log, qr/port taken/, 'S3.2: the first error is shown');
}
{
	my $r = run_it(<<'LUA');
server("slow", { start = function() mark "slow start" curfew.sleep("300ms") mark "slow up" end })
server("next", { after = { "slow" } })
LUA
	$r->wait_log(qr/> slow start/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S3.3: TERM while starting');
	like(marks_of($r), qr/^slow pre_start, slow start, slow up,(?: slow post_start,)? slow pre, slow stop, slow post stopped$/, 'S3.3: the start is brought to its end, then stopped') || diag $r->log;
}
{
	my $r = run_it('server("slow", { start = function() mark "slow start" curfew.sleep("1h") end })');
	$r->wait_log(qr/> slow start/);
	$r->signal('HUP');
	is($r->wait_exit, 1, 'S3.3: an abort does not wait for the start');
	cmp_ok($r->took, '<', 3, 'S3.3: at once');
}
{
	my $r = run_it('server("slow", { start = function() mark "slow start" curfew.sleep("1h") end })', before => ['--exit-timeout', '500ms']);
	$r->wait_log(qr/> slow start/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S3.3: graceful waits for the start, at the latest to the margin');
}
{
	my $r = run_it('server("slow", { start = function() mark "slow start" curfew.sleep("1h") end })', before => ['--start-timeout', '200ms']);
	is($r->wait_exit, 1, 'S2.16: start_timeout is a failed start');
}
{
	my $r = run_it(<<'LUA');
server "a"
assert(curfew.start())
mark(curfew.state)
curfew.stop { exit = false }
mark(curfew.state)
assert(curfew.start())
mark(curfew.state)
curfew.stop()
LUA
	is($r->wait_exit, 0, 'S3.4: stop{ exit = false } and start again');
	is(marks_of($r), 'a pre_start, a start, a post_start, started, a pre, a stop, a post stopped, stopped, a pre_start, a start, a post_start, started, a pre, a stop, a post stopped', 'S3.4: a second life like the first') || diag $r->log;
}
{
	my $r = run_it(<<'LUA');
server("a"):post_start(function() curfew.after(0, function() curfew.deactivate() curfew.deactivate() mark "given back" end) end)
LUA
	$r->wait_log(qr/> given back/);
	$r->signal('TERM');
	is($r->wait_exit, 128 + 15, 'S3.5: after deactivate() TERM has its default disposition');
}

{
	my $r = run_it(<<'LUA');
local p = curfew.process { name = "p", command = { "sleep", "999" } }
p:post_start(function() curfew.after(0, function() curfew.deactivate() mark "given back" end) end)
LUA
	$r->wait_log(qr/> given back/);
	$r->signal('TERM');
	is($r->wait_exit, 128 + 15, 'S3.5: after deactivate() the process ends without a stop');
	is(join(' ', $r->left_behind), '', 'S8.2: and its children with it') or diag $r->log;
}

{ # The handler computes, so that what it writes meets a peer that is gone before the loop has noticed.
	my $r = run_it(<<'LUA');
local w = curfew.http { name = "w", listen = "unix:w.sock", routes = { ["GET /ok"] = function() return "ok" end, ["GET /"] = function(_, res)
	for _ = 1, 20 do res:write(("x"):rep(10000)) local t = os.clock() while os.clock() - t < 0.005 do end curfew.sleep(0) end res:finish()
end } }
w:post_start(function() curfew.after(0, function() curfew.deactivate() mark "given back" end) end)
LUA
	$r->wait_log(qr/> given back/);
	my $at = "unix:$r->{dir}/w.sock";
	for (1 .. 20) {
		my $s = connect_to($at) or last;
		print {$s} "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
		sysread $s, my $some, 100;
		close $s;
	}
	is((http_get($at, '/ok'))[1], 'ok', 'S2.19: after deactivate() a client that goes away ends nobody');
	$r->signal('TERM');
	is($r->wait_exit, 128 + 15, 'S3.5: and TERM is the default still');
}

{
	my $r = run_it(<<'LUA');
server("a"):post_start(function() curfew.after(0, function()
	curfew.deactivate()
	mark("exec " .. curfew.exec({ "sh", "-c", "exit 3" }).code)
	mark("timeout " .. select(3, curfew.exec { "sleep", "99", timeout = "100ms" }))
	curfew.stop()
end) end)
LUA
	is($r->wait_exit, 0, 'S3.5: after deactivate() a stop still works');
	like(marks_of($r), qr/exec 3, timeout ETIMEDOUT/, 'S3.5: children are still noticed') || diag $r->log;
}
{
	my $r = run_it(<<'LUA');
curfew.configure { log = { level = "warn", format = "logfmt" } }
curfew.configure { exit_timeout = "2s" }
curfew.log.info("not to be seen")
curfew.configure { log = { format = "json" } }
curfew.log.warn("seen")
LUA
	is($r->wait_exit, 0, 'configure twice');
	unlike($r->log, qr/not to be seen/, 'what a later configure does not name stays: the level');
	like($r->log, qr/^\{.*"seen"/m, 'what it names changes: the format');
}
{
	my $r = run_it('curfew.configure { load_limit = "200ms" } while true do end');
	is($r->wait_exit, 2, 'S3.7: load_limit');
	like($r->log, qr/load_limit \(200ms\)/, 'S3.7: and its value counts');
}

# S4
{
	my $r = run_it(<<'LUA');
for _, n in ipairs { "a", "b" } do
	server(n, { pre = function() mark(n .. " pre in") curfew.sleep("50ms") mark(n .. " pre out") end })
end
server("front", { after = { "a", "b" } }):post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'S4.1: waves');
	like(marks_of($r), qr/front pre, front stop, front post stopped, ([ab]) pre in, (?!\1)[ab] pre in, [ab] pre out/, 'S4.1: whoever depends goes first, independent ones side by side') || diag $r->log;
}
{
	my $r = run_it(<<'LUA');
local s = server("a", { pre = function() mark "pre 1 in" curfew.sleep("20ms") mark "pre 1 out" end })
s:pre_stop(function() mark "pre 2" end, { name = "second" })
s:post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'S4.1: two hooks of a server');
	like(marks_of($r), qr/pre 1 in, pre 1 out, pre 2, a stop/, 'S4.1: one after another, in order of registration');
}
{
	my $r = run_it(<<'LUA');
server("a", { pre = function() error "hook broke" end }):post_start(function() curfew.after(0, curfew.stop) end)
server "b"
LUA
	is($r->wait_exit, 1, 'S4.9: a hook that fails: code at least 1');
	like(marks_of($r), qr/a stop.*a post stopped/, 'S4.9: its server is stopped all the same');
	like(marks_of($r), qr/b stop.*b post stopped/, 'S4.9: so are the others');
	like($r->log, qr/policy\.lua:\d+: hook broke.*stack traceback/s, 'S4.9: logged with its traceback');
}
{
	my $r = run_it(<<'LUA');
local s = server("a")
s:pre_stop(function() mark "hangs" curfew.sleep("1h") mark "NEVER" end, { name = "hangs", timeout = "100ms" })
s:post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 1, 'S4.9: a hook past its own limit');
	like(marks_of($r), qr/hangs, a stop, a post stopped$/, 'S4.9: the stop goes on') || diag $r->log;
}
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '10s']);
server("a", { pre = function() mark "a pre in" curfew.sleep("200ms") mark "a pre out" end })
server("front", { after = { "a" }, pre = function() mark "front pre in" curfew.sleep("300ms") mark "front pre out" end })
LUA
	$r->wait_log(qr/> front post_start/);
	$r->signal('TERM');
	$r->wait_log(qr/> front pre in/);
	$r->signal('HUP');
	is($r->wait_exit, 1, 'S4.5: an abort during a graceful stop');
	like(marks_of($r), qr/front pre in, a pre in, a pre out, front pre out, (?:a abort, front abort|front abort, a abort)$/, 'S4.5: running hooks go on, the others begin at once, nothing is drained') || diag $r->log;
}
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '800ms']);
server("never", { stop = function() mark "never stopping" curfew.sleep("1h") end })
server("behind")
LUA
	$r->wait_log(qr/> behind post_start/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S4.7: what has not stopped at the margin is cut: 255');
	like(marks_of($r), qr/never abort/, 'S4.7: through its abort function');
	like(marks_of($r), qr/behind post stopped/, 'S4.7: who was done is not cut');
}
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '800ms']);
server("a")
server("front", { after = { "a" }, pre = function() mark "front pre" curfew.sleep("1h") end })
LUA
	$r->wait_log(qr/> front post_start/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S4.8: a pre_stop hook that waits for ever: 255 at the exit timeout');
	like(marks_of($r), qr/front pre, a pre/, 'S4.12: the others still get theirs, at the margin') || diag $r->log;
	cmp_ok($r->took, '>', 0.6, 'S4.12: only the exit timeout cuts a pre_stop hook');
}
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '30s']);
server("a", { pre = function(ctx)
	local shown = curfew.exec({ "sh", "-c", "echo $CURFEW_REMAINING" }).stdout
	mark("exec " .. (tonumber(shown) and tonumber(shown) <= 30 and tonumber(shown) > 1 and "knows" or shown))
	mark("popen " .. (tonumber(io.popen("echo $CURFEW_REMAINING"):read "a") and "knows" or "does not"))
	mark("own " .. curfew.exec({ "sh", "-c", "echo $CURFEW_REMAINING", env = { CURFEW_REMAINING = "7" } }).stdout:gsub("%s", ""))
end }):post_start(function()
	curfew.after(0, function() mark("outside " .. curfew.exec({ "sh", "-c", "echo none$CURFEW_REMAINING" }).stdout:gsub("%s", "")) curfew.stop() end)
end)
LUA
	is($r->wait_exit, 0, 'field: systemd#3371: commands of a hook');
	like(marks_of($r), qr/outside none, exec knows, popen knows, own 7, a stop/, 'know how long they may take, and others need not') || diag $r->log;
}
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '400ms']);
server("a", { pre = function(ctx)
	assert(ctx:extend("5s"))
	mark(ctx:remaining() > 4 and "extended" or "not")
	curfew.sleep("600ms")
	mark "slept"
end }):post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'S4.6: ctx:extend moves the end');
	like(marks_of($r), qr/extended, slept, a stop/, 'S4.6: and the hook uses it') || diag $r->log;
}
{
	my $r = run_it(<<'LUA', before => ['--exit-timeout', '400ms']);
server("a", { pre = function(ctx)
	local ok, message, code = ctx:extend("10h")
	mark(ctx:remaining() < 61 and "capped" or "NOT CAPPED")
end }):post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 0, 'S4.6: at most to max_exit_timeout');
	like(marks_of($r), qr/capped/, 'S4.6: capped') || diag $r->log;
}
{
	my $r = run_it(<<'LUA');
server("a", { pre = function() mark "a pre" curfew.after("10ms", function() error "elsewhere" end) curfew.sleep("100ms") mark "a pre out" end }):post_start(function() curfew.after(0, curfew.stop) end)
LUA
	is($r->wait_exit, 1, 'S4.10: an uncaught error elsewhere during a stop: abort(1)');
	like(marks_of($r), qr/a pre, a pre out, a abort$/, 'S4.10, S4.5: as an abort') || diag $r->log;
}
{
	my $r = run_it(<<'LUA');
local p = curfew.process { name = "p", command = { "sleep", "99" } }
p:pre_stop(function() mark "p pre" curfew.exec { "kill", "-9", tostring(p.pid) } mark "killed" end)
p:post_stop(function() mark "p post" end)
server("front", { after = { "p" } }):post_start(function() curfew.after(0, curfew.stop) end)
server("other")
LUA
	is($r->wait_exit, 1, 'S4.13: a server that dies unasked during the stop: at least 1');
	like(marks_of($r), qr/front post stopped.*p pre, killed/, 'S4.13: its hooks go on');
	like(marks_of($r), qr/p post/, 'S4.13: post_stop included') || diag $r->log;
	like(marks_of($r), qr/other post stopped/, 'S4.13: nobody else is cut for it');
}
{
	my $r = run_it(<<'LUA');
curfew.on("SIGTERM", curfew.graceful(3))
curfew.on("SIGUSR1", curfew.graceful(9))
curfew.on("SIGUSR2", curfew.graceful(2))
server("a", { pre = function() mark "pre" curfew.sleep("500ms") end })
LUA
	$r->wait_log(qr/> a post_start/);
	$r->signal('TERM');
	$r->wait_log(qr/> pre/);
	$r->signal('USR1');
	$r->wait_log(qr/SIGUSR1/);
	$r->signal('USR2');
	is($r->wait_exit, 9, 'S4.3: the code is the highest asked for');
	is(scalar(grep { $_ eq 'pre' } @{ $r->marks }), 1, 'S4.4, S4.12: later graceful triggers call nothing twice');
}

done_testing;
