#!/usr/bin/perl
# floods.t: a script that begins many things, each within its own limit, takes its own time and nobody else's: the other servers'
# pre_stop hooks begin, and requests are answered (S4.7, S4.12, S6.5).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $TWO = <<'LUA';
local curfew = require "curfew"
local other = curfew.server { name = "other", start = function() end, stop = function() curfew.log.info "> other stopped" end }
other:pre_stop(function() curfew.log.info "> begun" curfew.sleep "1ms" curfew.log.info "> went on" end)
local evil = curfew.server { name = "evil", start = function() end, stop = function() end }
evil:after(other)
local function busy(s) local t = os.clock() while os.clock() - t < s do end end
LUA

# Each is evil's; after its flood the margin comes before all of it could have run.
for (
	['tasks that loop', 'evil:pre_stop(function() for i = 1, 1000 do curfew.spawn(function() while true do end end) end end)'],
	['tasks that loop, for a hook that waits', 'evil:pre_stop(function() for i = 1, 1000 do curfew.spawn(function() while true do end end) end curfew.sleep(9) end)'],
	['timers that take just less than their limit', 'evil:pre_stop(function() for i = 1, 1000 do curfew.after(0, function() busy(0.09) end) end curfew.sleep(9) end)'],
	['finalizers that loop', 'evil:pre_stop(function() for i = 1, 1000 do setmetatable({}, { __gc = function() while true do end end }) end collectgarbage() end)'],
	['tasks that begin tasks', 'evil:pre_stop(function() local function more() busy(0.03) curfew.spawn(more) curfew.spawn(more) end more() end)'],
	['hooks of its own', 'for i = 1, 200 do evil:pre_stop(function() curfew.spawn(function() while true do end end) while true do end end) end'],
	['tasks that were there before', 'curfew.subscribe("stop", function() end) for i = 1, 1000 do curfew.spawn(function() while curfew.state ~= "stopping" do curfew.sleep(0.05) end while true do end end) end'],
	['rules that loop', 'for i = 1, 1000 do curfew.on("SIGTERM", function() while true do end end) end'],
	['triggers by the hundred', 'curfew.on("custom:x", function() while true do end end) curfew.after(0.05, function() for i = 1, 200 do curfew.trigger "custom:x" end curfew.log.info "> flooded" end)', 'flooded'],
	['triggers whose rule takes just less than its limit', 'curfew.on("custom:x", function() busy(0.09) return curfew.ignore end) curfew.after(0.05, function() for i = 1, 200 do curfew.trigger "custom:x" end curfew.log.info "> flooded" end)', 'flooded'],
	['triggers by its hook', 'curfew.on("custom:x", function() while true do end end) evil:pre_stop(function() for i = 1, 1000 do curfew.trigger "custom:x" end end)'],
	['tasks that fail', 'curfew.on("rejection", function() busy(0.09) return curfew.ignore end) curfew.after(0.05, function() for i = 1, 200 do curfew.spawn(error, "x") end curfew.log.info "> flooded" end)', 'flooded'],
	['two servers with many hooks, in an abort', 'for k = 1, 2 do local z = curfew.server { name = "z" .. k, start = function() end, stop = function() end } for i = 1, 40 do z:pre_stop(function() while true do end end) end end', undef, 'HUP'],
	['many servers with a hook that loops', 'for k = 1, 50 do local z = curfew.server { name = "z" .. k, start = function() end, stop = function() end } z:pre_stop(function() while true do end end) end'],
	['the same in an abort', 'for k = 1, 50 do local z = curfew.server { name = "z" .. k, start = function() end, stop = function() end } z:pre_stop(function() while true do end end) end', undef, 'HUP'],
	['rules for everything', 'for i = 1, 1000 do curfew.on("*", function() while true do end end) end'],
) {
	my ($name, $flood, $mark, $signal) = @$_;
	my $r = curfew(before => ['--exit-timeout', '3s'], policy => "$TWO$flood\n");
	$r->wait_log(qr/started \d+ servers/);
	$r->wait_log(qr/> $mark/) if $mark;
	$r->signal($signal // 'TERM');
	my $code = $r->wait_exit;
	ok($code == 0 || $code == 1 || $code == 255, "$name: the end, within its timeout ($code)");
	my @marks = grep { $_ ne 'flooded' } @{ $r->marks };
	is(join(', ', @marks[0, 1]), 'begun, went on', "$name: the other server's pre_stop hook ran") or diag $r->log =~ s/traceback="[^\n]*//gr;
	unlike($r->log, qr/the loop stalled|the exit timeout has come\b.*\n.*killed/, "$name: the loop turned");
}

# What servers and hooks do is told, whatever number of triggers there is.
{
	my $r = curfew(before => ['--black-box', 'box'], policy => <<'LUA');
local curfew = require "curfew"
local a = curfew.server { name = "a", start = function() end, stop = function() end }
curfew.on("custom:x", curfew.ignore)
a:pre_stop(function() end, { name = "first" })
curfew.pre_stop(function() for i = 1, 2000 do curfew.trigger "custom:x" end end, { name = "many" })
a:post_stop(function() end, { name = "last" })
LUA
	$r->wait_log(qr/started 1 server/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'a stop with two thousand triggers');
	like($r->log, qr/pre_stop "many" .*took.*a: pre_stop "first" .*took.*a: stopped/s, 'its hooks and servers are logged') or diag substr $r->log, -3000;
	like($r->log, qr/WARN  \d+ events are left out of log and timeline/, 'and that some of the rest is not');
	my $timeline = `$Curfew::BIN timeline --file $r->{dir}/box`;
	unlike($timeline, qr/cut/, 'no hook that ended is drawn as cut') or diag $timeline;
	like($timeline, qr/pre_stop first.*post_stop last/s, 'and all are there');
}
# One request's.
{
	my $r = curfew(before => ['--exit-timeout', '3s'], policy => <<'LUA');
local curfew = require "curfew"
local w = curfew.http { name = "w", listen = "127.0.0.1:0", routes = {
	["GET /g"] = function()
		for i = 1, 1000 do setmetatable({}, { __gc = function() while true do end end }) end
		collectgarbage()
		return "x"
	end,
	["GET /ok"] = function() return "ok" end } }
w:pre_stop(function() curfew.log.info "> pre_stop" end)
curfew.start()
curfew.log.info("> at " .. w.address)
LUA
	my $at = $r->wait_log(qr/> at (\S+)/);
	is((http_get($at, '/g'))[0], 200, 'a request leaves a thousand finalizers that loop');
	$r->wait_log(qr/a __gc finalizer failed/);
	my $answered = 0;
	$answered += ((http_get($at, '/ok'))[0] // 0) == 200 for 1 .. 20;
	is($answered, 20, 'others are answered meanwhile');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'and the stop ends well') or diag $r->log;
	is($r->marks->[-1], 'pre_stop', 'with its hook');
}
done_testing;
