#!/usr/bin/perl
# crash.t: S8.2, S4.12, S2.10, S3.6: the orchestrator dies; its guardian has the pre_stop hooks run that had not begun.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use Test::More;

my $POLICY = <<'LUA';
local curfew = require "curfew"
local function trace(...) local f = io.open("traces", "a") f:write(table.concat({ ... }, " "), "\n") f:close() end
curfew.pre_stop(function(ctx) trace("global", ctx.mode, ctx.trigger.name, ctx.trigger.code) end)
for _, name in ipairs { "a", "b", "c" } do
	local s = curfew.server { name = name, start = function() end, stop = function() end }
	s:pre_stop(function() trace(name .. "1") curfew.sleep(0.02) trace(name .. "1 done") end)
	s:pre_stop(function() trace(name .. "2") end)
	s:post_stop(function() trace "NEVER" end)
end
local p = curfew.process { name = "p", command = { "sh", "-c", "setsid sleep 98 & sleep 97 & exec sleep 99" } }
p:pre_stop(function() trace("p", p.pid, os.execute("kill -0 " .. p.pid) and "alive" or "gone") end)
local w = curfew.http { name = "w", listen = "127.0.0.1:0", routes = { ["GET /"] = function() return "x" end } }
w:post_start(function() curfew.log.info("> address", w.address) curfew.log.info("> pid", p.pid) curfew.after(0.01, function() curfew.log.info "> up" end) end)
w:pre_stop(function() trace("w", w.address) end)
w:after(p)
curfew.after(0.05, function() trace "NEVER" end)
curfew.spawn(function() curfew.sleep(0.05) trace "NEVER" end)
LUA
$POLICY =~ s/^curfew\.(after|spawn).*\n//mg;

for my $case (['KILL', 137], ['SEGV', 139], ['ABRT', 134]) {
	my ($sig, $want) = @$case;
	next if $ENV{SAN} && $sig eq 'SEGV'; # the sanitizer's own to catch
	my $r = curfew(policy => $POLICY);
	my $o = wait_started($r);
	my ($address) = $r->log =~ /> address (\S+)/;
	my ($pid) = $r->log =~ /> pid (\d+)/;
	kill $sig, $o;
	is($r->wait_exit, $want, "S4.11: SIG$sig of the orchestrator: $want");
	is(join(', ', sort(traces($r))), join(', ', sort("global abort crash $want", (map { ("${_}1", "${_}1 done", "${_}2") } qw(a b c)), "p $pid alive", "w $address")),
		"S8.2: SIG$sig: every pre_stop hook ran once, told what was; servers live meanwhile") or diag $r->log;
	like($r->log, qr/ERROR exiting without stopping \(state started\): ended by SIG$sig/, "S3.6: SIG$sig: logged with its state");
	is(join(' ', $r->leftovers), '', "S8.2: SIG$sig: every descendant is gone");
}

# the policy that ran, not what lies there now
for my $case (['changed', sub { spew("$_[0]/policy.lua", 'error "new"'); spew("$_[0]/m.lua", 'error "new"'); spew("$_[0]/d.lua", 'error "new"') }],
	['deleted', sub { unlink map { "$_[0]/$_" } qw(policy.lua m.lua d.lua) }]) {
	my ($how, $do) = @$case;
	my $r = curfew(policy => "require 'm' dofile 'd.lua'\n$POLICY", files => { 'm.lua' => <<'M', 'd.lua' => '#!/usr/bin/lua' . "\nD = 'd'" });
local curfew = require "curfew"
curfew.pre_stop(function() local f = io.open("traces", "a") f:write("module ", D, "\n") f:close() end)
return true
M
	my $o = wait_started($r);
	$do->($r->{dir});
	kill 'KILL', $o;
	is($r->wait_exit, 137, "S8.2: policy and modules $how on disk");
	my @t = traces($r);
	ok((grep { $_ eq 'module d' } @t) && (grep { $_ eq 'c2' } @t) && !(grep { /NEVER/ } @t), "S8.2: $how: the old sources are used") or diag $r->log;
}

# in the middle of a stop: what had begun is not begun again, the deadline is the same, the code is the highest
{
	my $r = curfew(before => ['--exit-timeout', '20s'], policy => <<'LUA');
local curfew = require "curfew"
local function trace(...) local f = io.open("traces", "a") f:write(table.concat({ ... }, " "), "\n") f:close() end
local db = curfew.server { name = "db", start = function() end, stop = function() end }
db:pre_stop(function(ctx) trace("db", ctx.remaining(ctx) < 20 and "same deadline" or "new") end)
local web = curfew.server { name = "web", after = { db }, start = function() end, stop = function() end }
web:pre_stop(function() trace "web1" curfew.log.info("> in") curfew.sleep(99) end)
web:pre_stop(function() trace "web2" end)
web:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" end) end)
curfew.on("SIGTERM", curfew.graceful(200))
LUA
	my $o = wait_started($r);
	$r->signal('TERM')->wait_log(qr/> in/);
	kill 'KILL', $o;
	is($r->wait_exit, 200, 'S4.11: max(asked, 128 + signal)');
	is(join(', ', sort(traces($r))), 'db same deadline, web1, web2', 'S4.12: the hook that ran is not called again, the rest is') or diag $r->log;
	cmp_ok($r->took, '<', 5, 'S8.2: nobody waits for what had begun');
	my @cut = $r->log =~ /WARN  (.*?) had begun when the process ended: not run again/g;
	is("@cut", 'pre_stop of web (policy.lua:6)', 'S8.2: the hook that was cut short is named, and no other');
}
{
	my $r = curfew(before => ['--exit-timeout', '2s'], policy => <<'LUA');
local curfew = require "curfew"
local web = curfew.server { name = "web", start = function() end, stop = function() end }
web:pre_stop(function() curfew.log.info("> first") curfew.sleep(0.5) curfew.log.info("> dying") while true do curfew.sleep(9) end end)
web:pre_stop(function() curfew.log.info("> second") curfew.sleep(99) end)
web:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" end) end)
LUA
	my $o = wait_started($r);
	$r->signal('TERM')->wait_log(qr/> dying/);
	kill 'KILL', $o;
	is($r->wait_exit, 255, 'S4.8: after a crash the exit timeout cuts as ever: 255');
	cmp_ok($r->took, '<', 2.8, 'S8.2: until the same absolute deadline');
}

# S7.2, S4.12: servers that a reload had removed or replaced, and that were still stopping, have their own policy's hooks run
for my $sig ('KILL', 'ABRT') {
	my $trace = 'local function trace(...) local f = io.open("traces", "a") f:write(table.concat({ ... }, " "), "\n") f:close() end';
	my $common = 'local curfew = require "curfew" ' . $trace . ' curfew.on("SIGHUP", curfew.reload) curfew.pre_stop(function() trace("global", V) end) '
		. 'local stays = curfew.server { name = "stays", start = function() end } stays:pre_stop(function() trace("stays", V) end) ';
	my $r = curfew(policy => 'V = "one" ' . $common . <<'LUA');
local gone = curfew.server { name = "gone", start = function() end }
gone:pre_stop(function() trace("gone1", V) curfew.log.info "> stopping" curfew.sleep(99) end)
gone:pre_stop(function(ctx) trace("gone2", V, ctx.mode, ctx.trigger.name) end)
local under = curfew.server { name = "under", start = function() end }
under:pre_stop(function() trace("under", V) end)
gone:after(under)
under:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" end) end)
LUA
	my $o = wait_started($r);
	spew("$r->{dir}/policy.lua", 'V = "two" ' . $common . 'local new = curfew.server { name = "new", start = function() end } new:pre_stop(function() trace("new", V) end) new:post_start(function() curfew.log.info "> new" end)');
	kill 'HUP', $r->{pid};
	$r->wait_log(qr/> stopping/);
	$r->wait_log(qr/> new/);
	kill $sig, $o;
	is($r->wait_exit, $sig eq 'KILL' ? 137 : 134, "S4.11: SIG$sig after a reload");
	is(join(', ', sort(traces($r))), "global two, gone1 one, gone2 one abort crash, new two, stays two, under one",
		"S4.12: SIG$sig: what still stopped under the old policy has its hooks run, from that policy, and all others theirs, once") or diag $r->log;
	my @cut = $r->log =~ /WARN  (.*?) had begun when the process ended: not run again/g;
	like("@cut", qr/^pre_stop of gone /, "S8.2: SIG$sig: the one that was cut is named");
	is(join(' ', $r->leftovers), '', "S8.2: SIG$sig: nothing is left");
}

# what a script did once is not done twice; what it computes by waiting is computed again
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
local function trace(...) local f = io.open("traces", "a") f:write(table.concat({ ... }, " "), "\n") f:close() end
local name = curfew.exec { "echo", "computed" }.stdout:gsub("%s", "")
local t = curfew.spawn(function() curfew.sleep(0.01) return "awaited" end):await()
local s = curfew.server { name = name, start = function() trace "start" end, stop = function() end }
s:pre_start(function() trace "pre_start" end)
s:post_start(function() trace "post_start" end)
s:pre_stop(function(ctx) trace("pre_stop", ctx.server.name, t) end)
curfew.after(0.01, function() trace "timer" end)
curfew.spawn(function() trace "spawned" end)
curfew.exec({ "sh", "-c", "echo exec >> traces" }, function() trace "called back" end)
curfew.start()
curfew.log.info "> up"
s:pre_stop(function() trace "after start" end)
while true do curfew.sleep(0.02) end
LUA
	my $o = wait_started($r);
	wait_until(sub { (my @t = traces($r)) >= 7 });
	my @before = traces($r);
	kill 'KILL', $o;
	is($r->wait_exit, 137, 'S8.2: a main script that waits, and never ends');
	my @after = traces($r);
	is(join(', ', sort @before), 'called back, exec, post_start, pre_start, spawned, start, timer', 'S8.2: timers, tasks, start');
	is(join(', ', @after[@before .. $#after]), 'pre_stop computed awaited, after start', 'S8.2: are not done again: only hooks are') or diag $r->log;
	my $ups = () = $r->log =~ /> up/g;
	is($ups, 1, 'S8.2: nor is what it logs');
}
# a script that is not the same a second time
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
local f = io.open("second")
local s = curfew.server { name = f and "other" or "first", start = function() io.open("second", "w"):close() end, stop = function() end }
s:pre_stop(function() curfew.log.info "> NEVER" end)
curfew.pre_stop(function() curfew.log.info "> global" end)
s:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" end) end)
LUA
	my $o = wait_started($r);
	kill 'KILL', $o;
	is($r->wait_exit, 137, 'S8.4: a policy that registers something else');
	is(join(', ', @{ $r->marks }), 'up, global', 'S8.4: what is not what ran is not run');
}
# bare _exit
SKIP: {
	my $dir = File::Temp->newdir('curfew-so-XXXXXX', TMPDIR => 1);
	build_module($dir, 'quit', <<'C') or skip 'no C module', 6;
#include <lua.h>
#include <unistd.h>
static int quit(lua_State *L) { _exit((int)lua_tointeger(L, 1)); return 0; }
int luaopen_quit(lua_State *L) { lua_pushcfunction(L, quit); return 1; }
C
	for my $case ([0, 1], [7, 7], [255, 255]) {
		my ($n, $want) = @$case;
		my $r = curfew(policy => qq{package.cpath = "$dir/?.so"\nlocal quit = require "quit"\n} . <<LUA);
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function(ctx) curfew.log.info("> pre", ctx.trigger.name) end)
s:post_start(function() curfew.after(0.01, function() quit($n) end) end)
LUA
		is($r->wait_exit, $want, "S4.11: a bare _exit($n): $want");
		is(join(', ', @{ $r->marks }), 'pre crash', "S3.6: _exit($n): the guardian runs the hooks") or diag $r->log;
	}
}
# a rule
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
s:pre_stop(function(ctx) curfew.log.info("> pre", ctx.trigger.signal) end)
s:post_start(function() curfew.after(0.01, function() curfew.log.info "> up" end) end)
curfew.on("crash", function(t) curfew.log.info("> rule", t.code, t.signal) return curfew.abort(201) end)
LUA
	my $o = wait_started($r);
	kill 'KILL', $o;
	is($r->wait_exit, 201, 'S2.10: a rule for crash is asked');
	is(join(', ', @{ $r->marks }), 'up, rule 137 SIGKILL, pre SIGKILL', 'S2.10: and knows what happened');
}

done_testing;
