#!/usr/bin/perl
# told.t: what goes wrong at the very end, or sideways, is told, counted in the code, and holds up nothing.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(...) curfew.log.info("> " .. table.concat({ ... }, " ")) end
local function nothing() end
LUA
sub run_it { my ($lua, %o) = @_; return curfew(policy => $HEAD . $lua, %o) }
sub marks_of { return join ', ', @{ $_[0]->marks } }
my $SLACK = $ENV{CURFEW_PATIENCE} ? 10 : 3;

# S4.9, S4.11: the abort of a curfew.server
{
	my @ways = (
		['error "E"', 1, qr/s: abort failed: policy\.lua:\d+: E\b/],
		['while true do end', 1, qr/s: abort failed: passed hook_cpu_limit/],
		['os.exit(5)', 5, qr/exit 5/],
		['os.exit(0)', 0, qr/exit 0/],
		['mark "ran"', 0, qr/exit 0/],
	);
	for (@ways) {
		my ($body, $code, $line) = @$_;
		my $r = run_it(<<LUA);
curfew.on("SIGTERM", curfew.abort(0))
local s = curfew.server { name = "s", start = nothing, abort = function() $body end }
s:pre_stop(function() mark "pre" end)
LUA
		$r->wait_log(qr/started 1 server/);
		$r->signal('TERM');
		is($r->wait_exit, $code, "S4.11: abort = function() $body end: $code");
		like($r->log, $line, "S4.9: abort = function() $body end: told");
		like($r->log, qr/> ran.*s: ended by the abort/s, 'its end is told when it has ended') if $body =~ /ran/;
	}
	my $r = run_it(<<'LUA');
curfew.on("SIGTERM", curfew.abort(0))
curfew.server { name = "slow", start = nothing, abort = function() curfew.sleep "9s" end }
LUA
	$r->wait_log(qr/started 1 server/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S4.2: an abort that waits is not waited for');
	like($r->log, qr/exit 0; not waited for: slow/, 'and that is told');
	unlike($r->log, qr/ended by the abort/, 'nor is it said to have ended');
}

# Causes in the log
{
	my $r = run_it(<<'LUA');
curfew.on("SIGINT", function(t) mark("rule", t.count) if t.count == 2 then return curfew.graceful(7) end return curfew.ignore end)
curfew.server { name = "s", start = nothing }
curfew.start()
for _ = 1, 4 do curfew.trigger "SIGINT" end
LUA
	is($r->wait_exit, 7, 'S2.13: the second of four in one turn decides');
	like($r->log, qr/stop: graceful, code 7, because of SIGINT \(2nd\)/, 'S2.13: and is named as the cause');
}
{
	my $r = run_it(<<'LUA');
local s = curfew.server { name = "s", start = nothing }
s:pre_stop(function() os.exit(5) end)
curfew.start()
curfew.trigger "SIGTERM"
LUA
	is($r->wait_exit, 5, 'S4.9: os.exit(5) in a hook');
	like($r->log, qr/turned into an abort, code 5, because s: pre_stop \(policy\.lua:\d+\) called os\.exit/, 'S4.9: and that is the cause');
}
{
	my $r = run_it(<<'LUA');
curfew.server { name = "s", start = nothing, stop = function() error "SE" end }
curfew.start()
curfew.trigger "SIGTERM"
LUA
	is($r->wait_exit, 1, 'S4.11: a stop function that fails');
	like($r->log, qr/ERROR s: stop failed: policy\.lua:\d+: SE\n/, 'S4.11: is told as that');
	like($r->log, qr/exit 1; stop failed: s/, 'and in the last line');
	unlike($r->log, qr/by itself|died/, 'it did not end by itself');
}
{
	my $r = run_it('curfew.server { name = "s", start_timeout = "50ms", start = function() curfew.sleep "9s" end } '
		. 'local ok, message = curfew.start() mark(tostring(ok), message)');
	is($r->wait_exit, 1, 'S2.16: start_timeout');
	like($r->log, qr/s: failed to start: not ready within 50ms/, 'S2.16: with the reason');
	is(marks_of($r), 'nil s: not ready in time', 'S2.16: also for who waits');
}
{
	my $dir = File::Temp->newdir;
	my $code = `lua5.4 -e 'io.write(string.dump(load "x = 1"))'`;
	my $r = curfew(policy => $code);
	is($r->wait_exit, 2, 'a precompiled policy: 2');
	like($r->log, qr/policy\.lua: attempt to load a binary chunk/, 'and which');
}

# S2.13: custom triggers count by name
{
	my $r = run_it(<<'LUA');
curfew.on({ "custom:a", "custom:b" }, function(t) mark(t.name, t.count) end)
curfew.server { name = "s", start = nothing }
curfew.start()
for _, name in ipairs { "a", "b", "a", "b", "b" } do curfew.trigger("custom:" .. name) end
curfew.after("1ms", function() curfew.stop() end)
LUA
	is($r->wait_exit, 0, 'S2.13: custom triggers');
	is(marks_of($r), 'custom:a 1, custom:b 1, custom:a 2, custom:b 2, custom:b 3', 'S2.13: each name has a count of its own');
}

# What nobody reads holds up nothing
for my $call ('print(("x"):rep(100))', 'io.write(("x"):rep(100), "\n")', 'io.stdout:write(("x"):rep(100), "\n")') {
	pipe my $reader, my $writer or die;
	my $r = run_it(<<LUA, before => [ '--exit-timeout', '5s' ], child => sub { POSIX::dup2(fileno $writer, 1) });
local a = curfew.server { name = "a", start = nothing }
local b = curfew.server { name = "b", start = nothing }
a:pre_stop(function() for _ = 1, 3000 do $call end mark "a" end)
b:pre_stop(function() mark "b" end)
LUA
	close $writer;
	$r->wait_log(qr/started 2 servers/);
	$r->signal('TERM');
	is($r->wait_exit, 0, "$call to a pipe that nobody reads: it ends");
	cmp_ok($r->took, '<', 1 + $SLACK, "$call: soon");
	is(join(' ', sort @{ $r->marks }), 'a b', "S4.12: $call: all hooks ran");
	is(() = $r->log =~ /stdout takes no more: what scripts print is dropped/g, 1, "$call: told once");
	like($r->log, qr/stdout takes no more: \d+ lines dropped/, "$call: and how much");
	close $reader;
}
{
	my $r = run_it(<<'LUA');
print(1, nil, setmetatable({}, { __tostring = function() return "obj" end }))
io.write("a", 1, "\n")
io.stdout:write("b\n"):write("c\n")
print(pcall(print, setmetatable({}, { __tostring = function() return {} end })))
print(pcall(io.write, {}))
local f = io.open("f", "w")
f:write("file\n")
f:close()
io.output("g") io.write("g") io.output():close() io.output(io.stdout)
print(io.open("f"):read "a" .. io.open("g"):read "a")
for _ = 1, 20000 do print "0123456789" end
os.exit(0)
LUA
	is($r->wait_exit, 0, 'print and io.write');
	like($r->output, qr/^1\tnil\tobj\na1\nb\nc\nfalse\t[^\n]*__tostring[^\n]*\nfalse\t[^\n]*string expected[^\n]*\nfile\ng\n(?:0123456789\n){20000}$/,
		'print and io.write do what Lua\'s own do, in order');
}

# Nothing waits for itself
for my $stop ('curfew.stop()', 'curfew.stop { exit = false }', 'web:stop()', 'web:restart()', 'curfew.spawn(function() return curfew.stop() end):await()') {
	my $r = run_it(<<LUA, before => [ '--exit-timeout', '90s' ]);
local web
web = curfew.http { name = "web", listen = "127.0.0.1:0", stop_timeout = "80s", handler = function() return tostring($stop) end }
web:post_start(function() mark("at " .. web.address) end)
LUA
	my $at = $r->wait_log(qr/> at (\S+)/);
	is((http_get($at, '/'))[1], 'true', "$stop, in a handler of the server: the reply is sent");
	$r->wait_log(qr/web: stopped/);
	$r->wait_log(qr/> at.*> at/s) if $stop =~ /restart/;
	$r->signal('TERM') if $stop =~ /exit|web/;
	is($r->wait_exit, 0, "$stop: and the server stops") or diag $r->log;
	cmp_ok($r->took, '<', 60, "$stop: without a wait for itself");
}
{
	my $r = run_it(<<'LUA', before => [ '--exit-timeout', '4s' ]);
local a
a = curfew.server { name = "a", start = function() mark("stop", tostring(a:stop())) mark("start", select(3, a:start())) mark("restart", select(3, a:restart()))
	mark("all", select(3, curfew.start())) end, stop = function() mark "stopped" end }
curfew.start()
curfew.stop()
LUA
	is($r->wait_exit, 0, 'a server that stops itself as it starts');
	is(marks_of($r), 'stop true, start EDEADLK, restart EDEADLK, all EDEADLK, stopped', 'its start is not waited for by itself');
	cmp_ok($r->took, '<', 2 + $SLACK, 'nor is time lost');
}
for my $stop ('curfew.stop()', 'curfew.stop { exit = false }') {
	my $r = run_it(<<LUA, before => [ '--exit-timeout', '4s' ]);
local a = curfew.server { name = "a", start = function() mark(tostring($stop)) end, stop = function() mark "stopped" end }
a:pre_stop(function() mark("hook", tostring($stop)) end)
curfew.start()
curfew.stop()
LUA
	is($r->wait_exit, 0, "$stop in a start and in a hook");
	is(marks_of($r), 'true, hook true, stopped', "$stop: no waiting for itself");
	cmp_ok($r->took, '<', 2 + $SLACK, "$stop: in no time");
}

# Policies that are no files
{
	my $dir = File::Temp->newdir;
	my $policy = $HEAD . 'mark "loaded" os.exit(3)';
	POSIX::mkfifo("$dir/fifo", 0600) or die;
	my $r = curfew(before => ["$dir/fifo"]);
	is($r->wait_exit, 2, 'a FIFO that nobody writes to: 2');
	like($r->log, qr/fifo: a pipe that nobody has written to/, 'and why');
	$r = curfew(before => ['/dev/zero']);
	is($r->wait_exit, 2, 'a device: 2');
	like($r->log, qr{/dev/zero: it is a device}, 'and why');
	pipe my $reader, my $writer or die;
	syswrite $writer, $policy;
	close $writer;
	$r = curfew(before => ['/dev/stdin'], child => sub { POSIX::dup2(fileno $reader, 0) });
	is($r->wait_exit . marks_of($r), '3loaded', 'a pipe as /dev/stdin: read');
	spew("$dir/p", $policy);
	$r = curfew(before => ['/dev/stdin'], stdin => "$dir/p");
	is($r->wait_exit . marks_of($r), '3loaded', 'a file as /dev/stdin: read');
}

done_testing;
