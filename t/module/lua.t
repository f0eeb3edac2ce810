#!/usr/bin/perl
# lua.t: require "curfew" in plain lua5.4: the script is the policy, with all that a policy can do; require "curfew.host": the library
# for a program in Lua with a loop of its own. As `make install-lua` and luarocks leave them.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

plan skip_all => 'an instrumented module is not loaded by a plain lua5.4' if $ENV{SAN};

my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
my $build = $ENV{BUILD} || 'build';
my $root = "$dir/opt";
delete @ENV{qw(MAKEFLAGS MAKELEVEL MFLAGS LUA_PATH LUA_PATH_5_4 LUA_CPATH_5_4 LUA_INIT)};

sub sh {
	my ($line) = @_;
	my $said = `( $line ) 2>&1`;
	return ($? >> 8, $said);
}
my ($code, $said) = sh("make --no-print-directory BUILD=$build PREFIX=$root install-lua");
is($code, 0, 'install-lua ends well') or diag $said;
ok(-e "$root/lib/lua/5.4/curfew.so" && -e "$root/lib/lua/5.4/curfew/host.so", 'under the usual cpath of a prefix');
like((sh("lua5.4 -e 'print(package.cpath)'"))[1], qr{(?:^|;)/usr/local/lib/lua/5\.4/\?\.so(?:;|$)}, 'which is where /usr/local is looked for');
$ENV{LUA_CPATH} = "$root/lib/lua/5.4/?.so;;";

# A script in a file of its own: what runs.
my $files = 0;
sub start {
	my ($text, @args) = @_;
	my $n = ++$files;
	my $r = { file => "$dir/s$n.lua", out => "$dir/$n.out" };
	spew($r->{file}, $text);
	return run($r, 'lua5.4', $r->{file}, @args);
}
sub run {
	my ($r, @command) = @_;
	$r->{pid} = fork // die "fork: $!";
	if (!$r->{pid}) {
		chdir($r->{in} // $dir) or POSIX::_exit(99);
		open STDIN, '<', '/dev/null' or POSIX::_exit(99);
		open STDOUT, '>', $r->{out} or POSIX::_exit(99);
		open STDERR, '>&', \*STDOUT or POSIX::_exit(99);
		exec { $command[0] } @command or POSIX::_exit(98);
	}
	return $r;
}
sub out { my ($r) = @_; return slurp($r->{out}) // '' }
sub wait_for { my ($r, $re) = @_; my $got; Curfew::wait_until(sub { ($got) = out($r) =~ $re; defined $got }); return $got }
sub code_of {
	my ($r) = @_;
	my $status;
	Curfew::wait_until(sub { return if waitpid($r->{pid}, POSIX::WNOHANG()) != $r->{pid}; $status = $?; 1 });
	return defined $status ? $status & 127 ? "signal $status" : $status >> 8 : do { kill 'KILL', $r->{pid}; waitpid $r->{pid}, 0; 'it does not end' };
}

{ # a server, with hooks, children and what a script can wait on
	my $r = start(<<'LUA', 'one', 'two');
local curfew = require "curfew"
local given = { ... }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET /"] = function() curfew.sleep "1ms" return "hi\n" end } }
local child = curfew.process { name = "child", command = { "sleep", "99" } }
web:after(child)
web:pre_stop(function(ctx) print("pre_stop", curfew.exec { "echo", "by exec" }.stdout) end)
curfew.on("SIGUSR1", curfew.graceful(7))
curfew.after("1ms", function() curfew.subscribe("started", function() end) print("args", #arg, arg[0]:match "[^/]*$", arg[1], arg[2], table.unpack(given)) end)
curfew.run()
print("at " .. web.address)
LUA
	my $at = wait_for($r, qr/^at (\S+)$/m);
	ok($at, 'it runs') or diag out($r);
	is((http_get($at, '/'))[1], "hi\n", 'and serves');
	like(wait_for($r, qr/^(args.*)$/m), qr/^args\t2\ts1\.lua\tone\ttwo\tone\ttwo$/, 'its arguments are there, in arg and as ...');
	kill 'USR1', $r->{pid};
	is(code_of($r), 7, 'the code that its policy says');
	like(out($r), qr/pre_stop\tby exec\n/, 'with its hook');
	unlike(out($r), qr/WARN  (?!exit 7)|ERROR/, 'and nothing to complain of') or diag out($r);
}
is(code_of(start('local curfew = require "curfew" curfew.spawn(function() os.exit(3) end) curfew.run()')), 3, 'os.exit is a trigger');
is(code_of(start('require("curfew").server { name = "x", start = function() error "no" end } require("curfew").run() error "failed"')), 1, 'an uncaught error');
{
	my $r = start("local curfew = require 'curfew'\ncurfew.htpt {}\n");
	is(code_of($r), 2, 'a policy that does not load');
	like(out($r), qr/s\d+\.lua:2: .*htpt.*did you mean/s, 'with file, line and the way out');
}
is(code_of(start('#!/usr/bin/lua5.4' . "\nlocal curfew = require 'curfew' curfew.exit(4)")), 4, 'a first line for the shell');
# Only to ask for it changes nothing.
{
	my $r = start("local ok, curfew = pcall(require, 'curfew')\nprint(ok, curfew.version)\nos.exit(5)\n");
	is(code_of($r), 5, 'a script that only looks whether it is there goes on');
	like(out($r), qr/^true\t\d+\.\d+\.\d+$/m, 'and sees the version');
}
($code, $said) = sh(q{lua5.4 -e 'require("curfew").run()'});
is($code, 1, 'no script in a file');
like($said, qr/curfew: what it runs is a script in a file: lua5\.4 SCRIPT, or curfew run SCRIPT/, 'which is said');
# The same script under `curfew run`.
{
	my $r = { out => "$dir/same.out" };
	spew("$dir/same.lua", "local curfew = require 'curfew' curfew.spawn(function() curfew.exit(6) end) curfew.run()");
	run($r, $Curfew::BIN =~ m{^/} ? $Curfew::BIN : "$FindBin::Bin/../../$Curfew::BIN", 'run', "$dir/same.lua");
	is(code_of($r), 6, 'the same script under curfew run');
}

# ---- curfew.host

{
	my $r = start(<<'LUA');
local host = require "curfew.host"
local said, over = {}, nil
local function say(...) said[#said + 1] = table.concat({ ... }, " ") end
print(pcall(host.new, {}))
local h = assert(host.new { log = function(level, text) say(level, text) end, on_exit = function(code, kill) over = code say("exit", code, tostring(kill)) end, exit_timeout = 20 })
print(h:server { name = "" }) -- none
local a, b
a = h:server { name = "a", start = function(id) say("start a") h:started(id) end, stop = function(id, deadline) say("stop a", math.type(deadline)) h:stopped(id) end, lame = function(_, on) say("lame", tostring(on)) end }
b = h:server { name = "b", after = { "a" }, stop = function() error "spoiled" end }
print(h:server { name = "c", after = { "nobody" } })
print(h:load "none.lua")
local f = io.open("p.lua", "w") f:write 'local curfew = require "curfew" curfew.find "a":pre_stop(function() curfew.sleep "2ms" curfew.log.info "> hook" end)' f:close()
assert(h:load "p.lua")
assert(h:start())
local function until_(f) while not f() do h:step() end end
until_(function() return h:state() == "started" end)
assert(h:status():find '"name"%s*:%s*"a"')
local r = h:request_begin(a)
local bad = h:request_begin(a)
print(h:trigger "SIGTRM")
print(h:trigger "SIGTERM")
for _ = 1, 1000 do h:step() end
print("waits", over)
h:request_end(bad, "it failed")
h:request_end(r)
until_(function() return over end)
print(pcall(h.close, 1))
h:close() h:close()
print(pcall(h.state, h))
for _, line in ipairs(said) do print(line) end
os.exit(over)
LUA
	is(code_of($r), 0, 'an embedded one ends') or diag out($r);
	my $out = out($r);
	like($out, qr/^false\t.*on_exit: expected a function/m, 'what is missing is named');
	like($out, qr/^nil\t.*name/m, 'a server without a name');
	like($out, qr/^nil\t.*nobody/m, 'one that depends on nobody');
	like($out, qr/^nil\t.*none\.lua/m, 'a policy that is not there');
	like($out, qr/^nil\t.*SIGTRM.*$/m, 'a trigger that is none');
	like($out, qr/^waits\tnil$/m, 'requests are waited for');
	like($out, qr/start a.*lame true.*hook.*stop a float.*exit 0 false/s, 'in order') or diag $out;
	like($out, qr/error b: .*spoiled/, 'an error of a function is logged');
	like($out, qr/error request failed/, 'and that of a request');
	like($out, qr/^false\t.*it was closed/m, 'one that is closed says so');
}
# Names that the module has a use for itself, and a definition that is spoiled.
{
	my $r = start(<<'LUA');
local host = require "curfew.host"
local over
local h = host.new { on_exit = function(code) over = code end, log = function(_, text) io.write("log ", text, "\n") end }
h:server { name = "on_exit" }
h:server { name = "log" }
h:server(setmetatable({ name = "spoiled", after = {}, stop_timeout = 1 }, { __index = function() error "spoiled" end }))
h:start()
while h:state() ~= "started" do h:step() end
h:stop()
while not over do h:step() end
h:close()
os.exit(over)
LUA
	is(code_of($r), 0, 'servers of any name');
	like(out($r), qr/^log exit 0/m, 'take nothing away');
}
# A limit that is none.
{
	my $r = start(<<'LUA');
local host = require "curfew.host"
local h = host.new { on_exit = print }
for _, t in ipairs { -1, 0 / 0, 1e300, math.huge, "soon", {} } do
	print(select(2, pcall(h.server, h, { name = "x", stop_timeout = t })))
end
print(h:server { name = "x", stop_timeout = 0.5 } > 0)
h:close()
LUA
	is(code_of($r), 0, 'a stop_timeout');
	is(scalar(() = out($r) =~ /stop_timeout: expected seconds, from 0 .* to 1000000000/g), 6, 'that is no time is refused') or diag out($r);
	like(out($r), qr/^true$/m, 'and half a second is one');
}
# luarocks make, in the tree as it is
SKIP: {
	skip 'no luarocks', 3 if (sh('luarocks --version'))[0];
	($code, $said) = sh("BUILD=$build luarocks --lua-version 5.4 --tree $dir/rocks make lua/curfew-0.1.0-1.rockspec");
	is($code, 0, 'luarocks make') or diag $said;
	ok(-e "$dir/rocks/lib/lua/5.4/curfew.so" && -e "$dir/rocks/lib/lua/5.4/curfew/host.so", 'puts both in its tree');
	spew("$dir/rock.lua", 'local curfew = require "curfew" curfew.exit(4)');
	is((sh("LUA_CPATH='$dir/rocks/lib/lua/5.4/?.so' lua5.4 $dir/rock.lua"))[0], 4, 'where they are found');
	my $version = slurp('src/version.h') =~ /CURFEW_VERSION "(.*)"/ ? $1 : '?';
	is(join(' ', glob 'lua/*.rockspec'), "lua/curfew-$version-1.rockspec", 'of this version');
}
# luv
SKIP: {
	skip 'no luv', 6 if (sh("lua5.4 -e 'require \"luv\"'"))[0];
	my $r = { out => "$dir/luv.out", in => "$FindBin::Bin/../../examples/embed" };
	run($r, 'lua5.4', 'luv_host.lua', '0', 'greet.lua');
	my $at = wait_for($r, qr/^listening on (\S+)$/m);
	ok($at, 'on luv') or diag out($r);
	my $early = connect_to($at);
	my $one = connect_to($at);
	print {$one} "one\n";
	is(scalar <$one>, "hello one\n", 'it answers');
	kill 'TERM', $r->{pid};
	wait_for($r, qr/(still serving)/);
	my $late = connect_to($at);
	print {$late} "two\n";
	is(scalar <$late>, "hello two\n", 'also in the hook');
	ok(Curfew::wait_until(sub { !connect_to($at) }), 'then its listener is closed');
	print {$early} "three\n";
	is(scalar <$early>, "hello three\n", 'who was in is answered');
	is(code_of($r), 0, 'and it ends') or diag out($r);
}
done_testing;
