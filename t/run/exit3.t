#!/usr/bin/perl
# exit3.t: S2.3, S5.3: a library calls exit(3) behind everybody's back; the pre_stop hooks run all the same.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

# A C module of a script: it knows nothing of curfew.
my $dir = File::Temp->newdir('curfew-so-XXXXXX', TMPDIR => 1);
spew("$dir/leaver.c", <<'C');
#include <lua.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static int leave(lua_State *L) { exit((int)lua_tointeger(L, 1)); return 0; }
static void *leave_there(void *code) { exit((int)(long)code); }
static int leave_in_thread(lua_State *L)
{
	pthread_t t;
	pthread_create(&t, NULL, leave_there, (void *)(long)lua_tointeger(L, 1));
	pthread_detach(t);
	return 0;
}
int luaopen_leaver(lua_State *L) { lua_pushcfunction(L, leave); lua_pushcfunction(L, leave_in_thread); lua_setglobal(L, "leave_in_thread"); return 1; }
C
my $cflags = `pkg-config --cflags lua5.4`;
chomp $cflags;
plan skip_all => 'an instrumented binary loads no plain module' if $ENV{SAN};
system("cc -shared -fPIC $cflags -o $dir/leaver.so $dir/leaver.c") == 0 or BAIL_OUT('no C module');

my $POLICY = <<LUA;
package.cpath = "$dir/?.so"
local leave = require "leaver"
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
for _, name in ipairs { "a", "b" } do
	local s = curfew.server { name = name, start = function() end, stop = function() mark(name .. " stop") end, abort = function() mark(name .. " abort") end }
	s:pre_stop(function() mark(name .. " pre in") curfew.sleep("50ms") mark(name .. " pre out") %s end)
	s:post_stop(function() mark(name .. " post") end)
	if name == "b" then
		s:after "a"
		s:post_start(function() curfew.after(0, function() mark "leaving" %s mark "AFTER" end) end)
	end
end
LUA

for my $case (['leave(0)', 0], ['leave(7)', 7], ['leave(256)', 1], ['pcall(leave, 3) while true do end', 3], ['coroutine.wrap(function() leave(4) end)()', 4]) {
	my ($lua, $want) = @$case;
	my $r = curfew(policy => sprintf($POLICY, '', $lua));
	is($r->wait_exit, $want, "S5.3: exit(3) by $lua: code $want");
	is(join(', ', @{ $r->marks }), 'leaving, a pre in, b pre in, a pre out, b pre out, a abort, b abort', "S5.3: $lua: an abort, every pre_stop hook ran") or diag $r->log;
}
{
	my $r = curfew(policy => sprintf($POLICY, 'if name == "a" then leave(9) end', 'curfew.stop()'));
	is($r->wait_exit, 9, 'S5.3: exit(3) in a hook');
	like(join(', ', @{ $r->marks }), qr/b pre in, b pre out, b stop, b post, a pre in, a pre out/, 'S4.12: nobody is called twice');
}
{
	my $r = curfew(policy => sprintf($POLICY, 'if name == "a" then curfew.exec { "sleep", "99" } end', 'leave(2)'), before => ['--exit-timeout', '500ms']);
	is($r->wait_exit, 255, 'S4.8: what waits for the lost loop is bounded by the exit timeout');
	is(join(' ', $r->left_behind), '', 'and leaves no process');
}

for my $case ([0, 0, 'pre in.*a stop'], [6, 6, 'pre in.*a abort']) {
	my ($asked, $want, $marks) = @$case;
	my $r = curfew(policy => sprintf($POLICY, '', "leave_in_thread($asked) curfew.sleep('1h')"));
	is($r->wait_exit, $want, "S2.3, S2.4: exit($asked) in another thread");
	like(join(', ', @{ $r->marks }), qr/$marks/, "S2.3, S2.4: exit($asked) in another thread is a trigger like any exit call") or diag $r->log;
}
{
	my $r = curfew(policy => sprintf($POLICY, '', 'curfew.deactivate() leave(5)'));
	is($r->wait_exit, 5, 'S3.6: exit(3) after deactivate() is exit(3)');
	like($r->log, qr/exiting without stopping \(state started\)/, 'S3.6: which is logged');
}

done_testing;
