#!/usr/bin/perl
# scripts.t: scripts that try to hang, crash, starve or outlive the orchestrator (S4.12, S5.2, S6.2, S6.5). Of each: the exit code,
# a bound of time, and that every other server's pre_stop hook ran.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $SLACK = $ENV{CURFEW_PATIENCE} ? 40 : 8;

my $HEAD = <<'LUA';
local curfew = require "curfew"
curfew.configure { hook_cpu_limit = "40ms", memory_limit = "32MB", exit_timeout = "5s", load_limit = "200ms" }
local function mark(text) curfew.log.info("> " .. text) end
local function nothing() end
local a = curfew.server { name = "a", start = nothing }
local b = curfew.server { name = "b", start = nothing }
a:pre_stop(function() mark "a" end)
b:pre_stop(function() mark "b" end)
LUA

# name => body: each alone would last for ever, take all memory, or break what it runs in. They fail, wherever they stand.
my @bad = (
	'a loop' => 'while true do end',
	'a loop in a pcall' => 'while true do pcall(function() while true do end end) end',
	'a goto' => '::again:: goto again',
	'a loop that catches its own end' => 'local function f() while true do end end while true do xpcall(f, f) end',
	'a loop in a coroutine' => 'coroutine.wrap(function() while true do end end)()',
	'coroutines in coroutines' => 'local function f() return coroutine.wrap(f)() end f()',
	'a loop in a sort' => 'table.sort({ 3, 2, 1 }, function() while true do end end)',
	'a loop in gsub' => '("x"):gsub(".", function() while true do end end)',
	'a loop in __index' => 'local _ = setmetatable({}, { __index = function() while true do end end }).x',
	'a loop in __close' => 'do local x <close> = setmetatable({}, { __close = function() while true do end end }) end',
	'a loop in __tostring' => 'tostring(setmetatable({}, { __tostring = function() while true do end end }))',
	'an error whose text loops' => 'error(setmetatable({}, { __tostring = function() while true do end end }))',
	'a loop in __eq' => 'local m = { __eq = function() while true do end end } local _ = setmetatable({}, m) == setmetatable({}, m)',
	'a loop in __concat' => 'local _ = setmetatable({}, { __concat = function() while true do end end }) .. "x"',
	'a loop in an iterator' => 'for _ in function() while true do end end do end',
	'an iterator without end' => 'for _ in function() return 1 end do end',
	'a loop in a reader of load' => 'load(function() while true do end end)',
	'a loop in xpcall\'s handler' => 'xpcall(error, function() while true do end end)',
	'a pattern of many repeats' => '("a"):rep(30):find(("a-"):rep(25) .. "b")',
	'a pattern over a long subject' => '("a"):rep(1000000):find ".-b"',
	'a pattern in gmatch' => 'for _ in ("a"):rep(1000000):gmatch "a*b" do end',
	'a pattern in gsub' => '("a"):rep(1000000):gsub("a*$b", "")',
	'a balance over a long subject' => '("("):rep(1000000):find "%b()"',
	'a plain search' => 'local s = ("a"):rep(8000000) while true do s:find(("a"):rep(100000) .. "b", 1, true) end',
	'string.rep' => 'local _ = ("x"):rep(1 << 40)',
	'string.rep again and again' => 'local s = "x" while true do s = s:rep(10) end',
	'nothing, very often' => 'while true do (""):rep(math.maxinteger) end',
	'a string that doubles' => 'local s = "x" while true do s = s .. s end',
	'a table that grows' => 'local t = {} while true do t[#t + 1] = {} end',
	'a table that grows in a pcall' => 'local t = {} while true do pcall(function() while true do t[#t + 1] = {} end end) end',
	'closures' => 'local t for i = 1, math.huge do local u = t t = function() return u, i end end',
	'a recursion' => 'local function f() return 1 + f() end f()',
	'a recursion in pcalls' => 'local function f() pcall(f) return f() end f()',
	'a recursion through __index' => 'local t = {} setmetatable(t, { __index = function(_, k) return t[k] end }) local _ = t.x',
	'a recursion of the error handler' => 'local function h() error "h" end xpcall(error, h) while true do xpcall(error, h) end',
	'table.move' => 'table.move({}, 1, math.maxinteger - 1, 2)',
	'table.insert' => 'table.insert(setmetatable({}, { __len = function() return 1 << 50 end }), 1, 1)',
	'table.concat' => 'table.concat(setmetatable({}, { __len = function() return 1 << 50 end, __index = function() return "" end }))',
	'table.unpack' => 'table.unpack({}, 1, 1 << 40)',
	'a long sort' => 'local t = {} for i = 1, 200000 do t[i] = -i end while true do table.sort(t) end',
	'long strings' => 'local s = ("x"):rep(8000000) while true do s:upper() end',
	'utf8' => 'local s = ("x"):rep(8000000) while true do utf8.len(s) end',
	'collectgarbage' => 'local t = {} for i = 1, 50000 do t[i] = {} end while true do collectgarbage() end',
	'error(nil)' => 'error(nil)',
	'error of a table' => 'error({})',
	'bytecode' => 'assert(load(string.dump(function() end)))()',
	'debug.sethook' => 'debug.sethook()',
	'the metatable of files' => 'getmetatable(io.stdout).__gc = nothing',
	'our own metatables' => 'local u = debug.getregistry and debug.getregistry()["curfew.task"] or {} u.__gc = function() while true do end end '
	. 'u.__index = nil curfew.spawn(nothing) error "x"',
	'upvalues of ours' => 'for i = 1, 50 do debug.setupvalue(curfew.sleep, i, nil) end error "x"',
	'string\'s metatable' => 'getmetatable("").__index = function() while true do end end local _ = ("x").y',
	'upvalues of an iterator' => 'local f = ("a"):gmatch "a" for i = 1, 3 do debug.setupvalue(f, i, nil) end f() error "x"',
	'what gsub has on its stack' => '("a"):rep(100):gsub("a", function() for i = 1, 5 do debug.setlocal(2, i, nil) end collectgarbage() end) error "x"',
	'the metatable of a task' => 'local m = debug.getmetatable(curfew.spawn(nothing)) m.__gc = function() while true do end end m.__index = nil error "x"',
	'a userdata\'s own metatable' => 'debug.setmetatable(curfew.spawn(nothing), { __gc = function() while true do end end }) error "x"',
	'globals gone' => 'for k in pairs(_G) do if k ~= "_G" and k ~= "error" then _G[k] = nil end end error "x"',
);
my @names = map { $bad[ 2 * $_ ] } 0 .. $#bad / 2;
my %bad = @bad;

# Library functions in C, which no count hook reaches: which of the answers of S6.5 each gets. What is left is S2.17: blocked.t.
my $INTERRUPTED = qr/passed hook_cpu_limit \(40ms\)/;
my $BOUNDED = qr/a range of more than 16777216 elements|not enough memory|too many results to unpack/;
my %answer = (
	(map { $_ => ['interrupted', $INTERRUPTED] } 'a pattern of many repeats', 'a pattern over a long subject', 'a pattern in gmatch', 'a pattern in gsub',
		'a balance over a long subject', 'a plain search', 'nothing, very often', 'a long sort', 'long strings', 'utf8', 'collectgarbage'),
	(map { $_ => ['bounded', $BOUNDED] } 'string.rep', 'table.move', 'table.insert', 'table.concat', 'table.unpack'),
);
exists $bad{$_} or die "no script is called $_" for keys %answer;

sub hooks { return join ' ', sort grep { /^[ab]$/ } @{ $_[0]->marks } }

# The common end of each.
sub ends {
	my ($r, $what, $code) = @_;
	my $got = eval { $r->wait_exit($SLACK * 3) } // 'never';
	is($got, $code, "$what: exit code $code") or diag $r->log;
	is(hooks($r), 'a b', "S4.12: $what: the other hooks ran once") or diag $r->log;
	cmp_ok($r->took, '<', $SLACK, "$what: in time");
}

# In a hook: that one fails, S4.9.
for my $name (@names) {
	my $r = curfew(policy => $HEAD . "local h = curfew.server { name = 'h', start = nothing }\nh:pre_stop(function() $bad{$name} end)\ncurfew.start()\nmark 'READY'\n");
	$r->wait_log(qr/READY/);
	$r->signal('TERM');
	ends($r, "$name, in a hook", 1);
	like($r->log, $answer{$name}[1], "S6.5: $name: C is $answer{$name}[0]") if $answer{$name};
}

# In a handler: that request alone pays, S6.2, S6.5.
for my $name (@names) {
	my $r = curfew(policy => $HEAD . <<"LUA");
local w = curfew.http { name = "w", listen = "127.0.0.1:0", routes = {
	["GET /bad"] = function() $bad{$name} end,
	["GET /"] = function() return "alive" end } }
curfew.start()
mark("at " .. w.address)
LUA
	my $at = $r->wait_log(qr/> at (\S+)/);
	is((http_get($at, '/bad'))[0], 500, "S6.5: $name, in a handler: 500") or diag $r->log;
	my $body = (http_get($at, '/'))[1];
	is($body, 'alive', "S6.5: $name, in a handler: others are served") unless $name =~ /metatable/;
	$r->signal('TERM');
	ends($r, "$name, in a handler", 0);
}

# In other places: what each comes to. code, and whether the servers had started.
my $loop = 'while true do end';
my @places = (
	['a rule', "curfew.on('SIGTERM', function() $loop end) curfew.start() mark 'READY'", 0, 1],
	['a rule for everything', "curfew.on('*', function() $loop end) curfew.start() mark 'READY'", 0, 1],
	['a timer', "curfew.start() curfew.after('1ms', function() $loop end)", 1],
	['a task nobody awaits', "curfew.start() curfew.spawn(function() $loop end)", 1],
	['an event', "curfew.start() curfew.subscribe('stopping', function() $loop end) mark 'READY'", 1, 1],
	['the main script, later', "curfew.start() $loop", 1],
	['a finalizer', "curfew.start() setmetatable({}, { __gc = function() $loop end }) collectgarbage() mark 'READY'", 0, 1],
	['a finalizer at the end', "KEEP = setmetatable({}, { __gc = function() $loop end }) curfew.start() mark 'READY'", 0, 1],
	['a stop function', "curfew.server { name = 'h', start = nothing, stop = function() $loop end } curfew.start() mark 'READY'", 1, 1],
	['a callback of exec', "curfew.start() curfew.exec({ 'true' }, function() $loop end)", 1],
	['a coroutine flood', 'curfew.start() local t = {} while true do t[#t + 1] = coroutine.create(nothing) end', 1],
	['a flood of tasks', 'curfew.start() while true do curfew.spawn(curfew.sleep, 99) end', 1],
	['timers by the hundred thousand', 'curfew.start() for _ = 1, 100000 do curfew.after("1h", nothing) end mark "READY"', qr/^[01]$/, 0],
	['timers that set timers', 'local function again() curfew.after(0, again) end curfew.start() again() mark "READY"', 0, 1],
	['a hook that spawns for ever', 'local h = curfew.server { name = "h", start = nothing } h:pre_stop(function() local function f() curfew.spawn(f) end f() end) '
		. 'curfew.start() mark "READY"', 0, 1],
	['os.exit in a finalizer', 'curfew.start() setmetatable({}, { __gc = function() os.exit(7) end }) collectgarbage()', 7],
	['standard descriptors closed', 'curfew.start() io.stdout:close() io.stderr:close() pcall(print, "x") pcall(io.write, "x") curfew.stop()', 0],
	['a child that ignores signals', 'curfew.process { name = "p", command = { "sh", "-c", "trap \'\' TERM INT HUP; while :; do sleep 1; done" }, '
		. 'stop = { { signal = "TERM", wait = "100ms" }, { signal = "KILL" } } } curfew.start() mark "READY"', 0, 1],
	['a fork bomb of sorts', 'curfew.start() curfew.exec { "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do (setsid sleep 999 &) & done; wait" } mark "READY"', 0, 1],
	['a flood of output from exec', 'curfew.start() curfew.spawn(function() curfew.exec { "yes" } end) mark "READY"', 0, 1],
	['a setting that leaves hooks no memory', 'curfew.start() curfew.configure { memory_limit = "1KB" }', 1],
	['one that leaves hardly any', 'curfew.start() for mb = 64, 1, -1 do pcall(curfew.configure, { memory_limit = mb << 20 }) end mark "READY"', 0, 1],
	['one that leaves hooks no time', 'curfew.start() curfew.configure { hook_cpu_limit = "1us" }', 1],
	['one that leaves hooks little time', 'curfew.start() curfew.configure { hook_cpu_limit = "1ms" } mark "READY"', 0, 1],
	['an endless start', "curfew.server { name = 'h', start = function() $loop end } pcall(curfew.start)", 1, 0, 1],
);
for (@places) {
	my ($name, $body, $code, $signal, $maybe) = @$_;
	my $r = curfew(policy => $HEAD . $body);
	if ($signal) { $r->wait_log(qr/READY/); $r->signal('TERM') }
	elsif (ref $code) { Curfew::wait_until(sub { $r->ended_now or $r->log =~ /READY/ }); $r->signal('TERM') unless $r->ended_now }
	my $got = eval { $r->wait_exit($SLACK * 3) } // 'never';
	ref $code ? like($got, $code, "$name: exit code") : is($got, $code, "$name: exit code $code") or diag substr $r->log, 0, 3000;
	is(hooks($r), 'a b', "S4.12: $name: the other hooks ran once") if $name !~ /descriptors/;
	cmp_ok($r->took, '<', $SLACK, "$name: in time");
	is(join(' ', $r->left_behind), '', "S9.3: $name: nothing is left");
}

# Before the first start: a policy that does not load, S3.7.
for my $name ('a loop', 'a loop in a pcall', 'a pattern over a long subject', 'a table that grows', 'a recursion', 'error(nil)', 'bytecode') {
	my $r = curfew(policy => $HEAD . $bad{$name});
	is(eval { $r->wait_exit($SLACK * 3) } // 'never', 2, "S3.7: $name, before the start: exit code 2") or diag $r->log;
	cmp_ok($r->took, '<', $SLACK, "S3.7: $name, before the start: in time");
}

done_testing;
