#!/usr/bin/perl
# leave.t: the end of a graceful stop: what a script still has to say is said, and nothing of it stays behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $dir = File::Temp->newdir('curfew-leave-XXXXXX', TMPDIR => 1);
my $POLICY = <<LUA;
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
curfew.http { name = "web", listen = "unix:$dir/web.sock", routes = { ["GET /"] = function() return "ok" end } }
curfew.tcp { name = "tcp", listen = "unix:$dir/tcp.sock", handler = function() end }
file = assert(io.open("$dir/file", "w"))
file:write "not closed, not flushed"
io.write "printed"
LUA
my $LIVING = <<LUA;
living = setmetatable({}, { __gc = function() mark "finalizer" end })
curfew.spawn(function()
	local x <close> = setmetatable({}, { __close = function() mark "closed" end })
	curfew.sleep "1h"
end)
curfew.after("50ms", curfew.stop)
LUA

for my $case (['plain', 'curfew.after("50ms", curfew.stop)', ''], ['with finalizers', $LIVING, 'closed, finalizer']) {
	my ($words, $lua, $marks) = @$case;
	unlink "$dir/file";
	my $r = curfew(policy => $POLICY . $lua);
	is($r->wait_exit, 0, "$words: code 0");
	is(join(', ', @{ $r->marks }), $marks, "$words: <close> variables and finalizers ran, in this order") or diag $r->log;
	is(slurp("$dir/file"), 'not closed, not flushed', "$words: files are flushed");
	ok(!-e "$dir/web.sock" && !-e "$dir/tcp.sock", "$words: no socket is left in the file system");
}

SKIP: {
	skip 'an instrumented binary loads no plain module', 2 if $ENV{SAN};
	spew("$dir/keeper.c", <<'C');
#include <lua.h>
#include <lauxlib.h>
#include <unistd.h>
static int gone(lua_State *L) { (void)L; return write(2, "> gone\n", 7) < 0; }
int luaopen_keeper(lua_State *L)
{
	lua_newuserdatauv(L, 1, 0);
	lua_newtable(L);
	lua_pushcfunction(L, gone);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	return 1;
}
C
	my $cflags = `pkg-config --cflags lua5.4`;
	chomp $cflags;
	system("cc -shared -fPIC $cflags -o $dir/keeper.so $dir/keeper.c") == 0 or BAIL_OUT('no C module');
	my $r = curfew(policy => qq(package.cpath = "$dir/?.so"\nkeeper = require "keeper"\n) . $POLICY . 'curfew.after("50ms", curfew.stop)');
	is($r->wait_exit, 0, 'a module in C: code 0');
	is(() = $r->log =~ /> gone/g, 1, 'its objects are finalized, once');
}

done_testing;
