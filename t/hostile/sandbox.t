#!/usr/bin/perl
# sandbox.t: ways out of --sandbox (S10.4): each is refused, with an error that says what was refused, and none of them took place.
use strict;
use warnings;
use Cwd;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use IO::Socket::INET;
use Test::More;

# In the run's directory: in/ may be read, out/ may be written; out/link leads out of it, in/up too.
my $PREPARE = sub {
	mkdir $_ for qw(in out elsewhere);
	spew('secret', 'the secret');
	spew('in/plain', 'plain');
	spew('elsewhere/module.lua', 'return "elsewhere"');
	symlink '../secret', 'in/up';
	symlink '../elsewhere', 'out/link';
	symlink '/proc/self/root/etc', 'in/root';
	link 'secret', 'hard';
};

# A peer that redirects to itself, to be asked by its name; it counts who came.
my $peer = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1:0') or die "listen: $!";
my $port = $peer->sockport;

my $NO = qr/is not there in the sandbox/;
my $RAISED = qr/policy\.lua:\d+: .*not allowed in the sandbox/;
my $EPERM = qr/not allowed in the sandbox.* EPERM/;
my $FOLDER = qr/not beneath a folder that the sandbox allows.* EPERM/;

# name => [what is tried, what is said]
my @tries = (
	'debug.getinfo' => ['debug.getinfo(1)', $NO],
	'debug.getregistry' => ['debug.getregistry()', $NO],
	'debug.getupvalue of a function of curfew' => ['debug.getupvalue(curfew.sleep, 1)', $NO],
	'debug.sethook' => ['debug.sethook()', $NO],
	'debug put back' => ['debug.traceback = print', $NO],
	'debug by require' => ['return require "debug"', qr/module 'debug' not found/],
	'package.loadlib' => ['package.loadlib("libc.so.6", "*")', $NO],
	'package.loaded' => ['return package.loaded.io', $NO],
	'package.preload' => ['package.preload.x = print', $NO],
	'package by require' => ['return require "package"', qr/module 'package' not found/],
	'our own modules by require' => ['return require "curfew.core"', qr/module 'curfew.core' not found/],
	'a module by its path' => ['return require "../elsewhere/module"', qr/is no name of a module/],
	'a module behind a link' => ['return require "link.module"', qr/not found in the sandbox/],
	'a module in C' => ['return require "cjson"', qr/module 'cjson' not found/],
	'bytecode by load' => ['return load("\27Lua\84\0")', qr/attempt to load a binary chunk/],
	'bytecode by mode' => ['return load("\27Lua\84\0", "x", "b")', qr/attempt to load a binary chunk/],
	'bytecode from a function' => ['local part = "\27Lua" return load(function() local p = part part = nil return p end)', qr/attempt to load a binary chunk/],
	'string.dump' => ['string.dump(function() end)', $NO],
	'string.dump as a method' => ['return ("").dump(function() end)', $NO],
	'the metatable of strings' => ['getmetatable("").__index = nil', qr/attempt to index|attempt to assign|read-only|string value/],
	'loadfile' => ['return loadfile("secret")', qr/the sandbox does not allow it/],
	'loadfile of what is read by the whole machine' => ['return loadfile("/etc/passwd")', qr/the sandbox does not allow it/],
	'dofile' => ['dofile "elsewhere/module.lua"', qr/the sandbox does not allow it/],
	'dofile of the standard input' => ['dofile()', $NO],
	'io.open' => ['io.open "secret"', $NO],
	'io.lines' => ['io.lines "secret"', $NO],
	'io.input' => ['io.input "secret"', $NO],
	'io.output' => ['io.output "out/x"', $NO],
	'io.tmpfile' => ['io.tmpfile()', $NO],
	'io by require' => ['require "io".open "secret"', $NO],
	'io.popen' => ['return io.popen("id"):read "a"', qr/exec "\/bin\/sh" is not allowed in the sandbox/],
	'os.execute' => ['return os.execute "touch out/x"', $EPERM],
	'os.remove' => ['os.remove "secret"', $NO],
	'os.rename' => ['os.rename("secret", "out/secret")', $NO],
	'os.tmpname' => ['os.tmpname()', $NO],
	'os.setlocale' => ['os.setlocale "C"', $NO],
	'os.getenv' => ['os.getenv "HOME"', qr/the variable HOME is not there in the sandbox \(--allow-env HOME/],
	'collectgarbage "stop"' => ['collectgarbage "stop"', $NO],
	'collectgarbage "generational"' => ['collectgarbage "generational"', $NO],
	'a file by its path' => ['return curfew.fs.read "secret"', $FOLDER],
	'a file by ..' => ['return curfew.fs.read "in/../secret"', $FOLDER],
	'a file by an absolute path' => ['return curfew.fs.read "/etc/passwd"', $FOLDER],
	'a file behind a link' => ['return curfew.fs.read "in/up"', $FOLDER],
	'a file through /proc' => ['return curfew.fs.read "/proc/self/environ"', $FOLDER],
	'a file through a link to /proc' => ['return curfew.fs.read "in/root/passwd"', $FOLDER],
	'to see that a file is there' => ['return curfew.fs.exists "secret"', $FOLDER],
	'to look at a file' => ['return curfew.fs.stat "in/up"', $FOLDER],
	'a folder whose name only begins so' => ['return curfew.fs.read "inside"', $FOLDER],
	'to write where only reading is allowed' => ['return curfew.fs.write("in/x", "x")', $FOLDER],
	'to write behind a link' => ['return curfew.fs.write("out/link/x", "x")', $FOLDER],
	'to write into our own memory' => ['return curfew.fs.write("/proc/self/mem", "x")', $FOLDER],
	'to rename out of a folder' => ['curfew.fs.write("out/y", "y") return curfew.fs.rename("out/y", "elsewhere")', qr/elsewhere is not beneath a folder that the sandbox allows.* EPERM/],
	'to rename into a folder' => ['return curfew.fs.rename("secret", "out/secret")', qr/^nil secret is not beneath a folder that the sandbox allows.* EPERM/],
	'to remove behind a link' => ['return curfew.fs.remove "out/link/module.lua"', $FOLDER],
	'to remove the folder itself' => ['return curfew.fs.remove "out"', $FOLDER],
	'to remove what is above' => ['return curfew.fs.remove "out/.."', $FOLDER],
	'a program' => ['return curfew.exec { "/usr/bin/touch", "out/x" }', $EPERM],
	'a program by its bare name' => ['return curfew.exec { "true" }', qr/named by its whole path.* EPERM/],
	'a program by a way around' => ['return curfew.exec { "/bin/../bin/true" }', $EPERM],
	'LD_PRELOAD' => ['return curfew.exec { "/bin/true", env = { LD_PRELOAD = "/tmp/x.so" } }', $EPERM],
	'another user' => ['return curfew.exec { "/bin/true", user = "root" }', $EPERM],
	'another folder' => ['return curfew.exec { "/bin/true", cwd = "/" }', $EPERM],
	'a process of a program' => ['curfew.process { name = "p", command = { "/bin/sleep", "9" } }', $RAISED],
	'a process as somebody' => ['curfew.process { name = "p", command = { "/bin/true" }, user = "root" }', $RAISED],
	'a process that writes a file' => ['curfew.process { name = "p", command = { "/bin/true" }, stdout = "file:out/x" }', $RAISED],
	'a process that gets our input' => ['curfew.process { name = "p", command = { "/bin/true" }, stdin = "inherit" }', $RAISED],
	'a process that takes the terminal' => ['curfew.process { name = "p", command = { "/bin/true" }, foreground = true }', $RAISED],
	'readiness as a program' => ['curfew.process { name = "p", command = { "/bin/true" }, ready = { exec = { "/usr/bin/id" } } }', $RAISED],
	'readiness as a scan of ports' => ['curfew.process { name = "p", command = { "/bin/true" }, ready = { tcp = "127.0.0.1:22" } }', $RAISED],
	'readiness as a fetch' => ['curfew.process { name = "p", command = { "/bin/true" }, ready = { http = "http://127.0.0.1:22/" } }', $RAISED],
	'to listen' => ['curfew.http { name = "w", listen = "0.0.0.0:0", handler = print }', $RAISED],
	'to listen at one allowed and one other' => ['curfew.tcp { name = "w", listen = { "127.0.0.1:0", "[::1]:0" }, handler = print }', $RAISED],
	'to listen at a file' => ['curfew.tcp { name = "w", listen = "unix:out/sock", handler = print }', $RAISED],
	'to fetch' => ['return curfew.fetch "http://127.0.0.2:PORT/"', $EPERM],
	'to fetch by a name before an @' => ['return curfew.fetch "http://127.0.0.1:PORT@127.0.0.2:PORT/"', $EPERM],
	'to fetch by a backslash' => ['return curfew.fetch "http://127.0.0.1:PORT\\\\@127.0.0.2/"', $EPERM],
	'to fetch by another port' => ['return curfew.fetch "http://127.0.0.1/"', $EPERM],
	'to fetch from a unix socket' => ['return curfew.fetch("http://127.0.0.1:PORT/", { unix = "/run/x.sock" })', $EPERM],
	'to fetch a file' => ['return curfew.fetch "file:///etc/passwd"', qr/expected a URL/],
	'a longer exit timeout' => ['curfew.configure { exit_timeout = "10m" }', qr/policy\.lua:\d+: .*at most 5s in the sandbox/],
	'more memory' => ['curfew.configure { memory_limit = "1GB" }', qr/policy\.lua:\d+: .*at most 67108864 bytes in the sandbox/],
	'more CPU time' => ['curfew.configure { hook_cpu_limit = "1h" }', qr/policy\.lua:\d+: .*at most 100ms in the sandbox/],
	'a control socket' => ['curfew.configure { control = "out/sock" }', $RAISED],
	'a health listener' => ['curfew.configure { health = { listen = "127.0.0.1:0" } }', $RAISED],
	'another log' => ['curfew.configure { log = { level = "error" } }', $RAISED],
	'to let the signals go' => ['return curfew.deactivate()', $EPERM],
	'an error object that looks around' => ['error(setmetatable({}, { __tostring = function() return io.open "secret" end }))', qr/table/],
	'another _ENV' => ['local _ENV = { debug = nil, setmetatable = setmetatable, _G = _G } return _G.debug.getinfo', $NO],
	'what load can see' => ['return load("return debug.getinfo(1)")()', $NO],
	'a coroutine' => ['coroutine.wrap(function() io.open "secret" end)()', $NO],
);

my $policy = <<'LUA';
local curfew = require "curfew"
local function say(name, ok, ...)
	local words = {}
	for i = 1, select("#", ...) do
		local word = select(i, ...)
		words[i] = type(word) == "table" and "a table" or tostring(word)
	end
	print(name .. "\t" .. (ok and select("#", ...) > 0 and (...) ~= nil and "ESCAPED " or "") .. table.concat(words, " "):gsub("\n", " "))
end
local tries = {}
LUA
for (my $i = 0; $i < @tries; $i += 2) {
	my $body = $tries[$i + 1][0] =~ s/PORT/$port/gr;
	$policy .= "tries[#tries + 1] = { [==[$tries[$i]]==], function() $body end }\n";
}
$policy .= <<'LUA';
for _, try in ipairs(tries) do say(try[1], pcall(try[2])) end
print("read\t" .. curfew.fs.read "in/plain")
print("ran\t" .. curfew.exec { "/bin/true" }.code)
curfew.on("SIGTERM", curfew.ignore)
local thing = curfew.server { name = "thing", start = function() end }
thing:pre_stop(function() curfew.log.info "> pre" end)
curfew.start()
curfew.log.info "> up"
LUA

my $r = curfew(policy => $policy, child => $PREPARE, env => { http_proxy => "http://127.0.0.1:$port", LUA_PATH => '/tmp/?.lua' }, before => ['--sandbox',
	qw(--allow-read in --allow-write out --allow-exec /bin/true --allow-listen 127.0.0.1), '--allow-fetch', "127.0.0.1:$port"]);
$r->wait_log(qr/> up/);
my %said = map { /^([^\t]+)\t(.*)$/ ? ($1, $2) : () } split /\n/, $r->output;
for (my $i = 0; $i < @tries; $i += 2) {
	my ($name, $what) = ($tries[$i], $tries[$i + 1][1]);
	like($said{$name} // '', $what, "S10.4: $name: refused");
	unlike($said{$name} // '', qr/ESCAPED/, "S10.4: $name: nothing came of it");
}
is($said{read}, 'plain', 'S10.4: what is allowed is read');
is($said{ran}, 0, 'S10.4: and run');
ok(!-e "$r->{dir}/out/x" && !-e "$r->{dir}/elsewhere/x" && !-e "$r->{dir}/y", 'S10.4: no file is where none may be');
ok(-e "$r->{dir}/secret" && -e "$r->{dir}/elsewhere/module.lua", 'S10.4: none is gone');
my $came = IO::Select->new($peer)->can_read(0);
ok(!$came, 'S10.4: nobody asked the peer, or the proxy of the environment');
$r->signal('TERM');
is($r->wait_exit, 0, 'S10.4: SIGTERM stops it, whatever its rule says');
like($r->log, qr/SIGTERM answered with ignore, which is not allowed in the sandbox \(--allow-ignore SIGTERM would\)/, 'S10.4: which is told');
is_deeply($r->marks, [qw(up pre)], 'S4.12: its hook ran');
cmp_ok(@tries / 2, '>=', 30, 'at least 30 ways were tried');
done_testing;
