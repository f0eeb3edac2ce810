#!/usr/bin/perl
# reload.t: S7, a new policy in the place of the one that runs, through the real binary.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use IO::Socket::INET;
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function mark(...) curfew.log.info(">", ...) end
local function nop() end
curfew.on("SIGHUP", curfew.reload)
LUA
my $UP = 'curfew.after(0, function() mark("up") end)';

sub run_it {
	my ($lua, %o) = @_;
	my $r = curfew(policy => $HEAD . $lua, %o);
	$r->{reloads} = 0;
	return $r;
}

# Put another policy in its place and have it read; the log since, up to what came of it.
sub reload {
	my ($r, $lua) = @_;
	my $from = length $r->log;
	spew("$r->{dir}/policy.lua", $HEAD . $lua) if defined $lua;
	kill 'HUP', $r->{pid};
	my $said;
	wait_until(sub { $said = substr $r->log, $from; $said =~ /reload: (?:refused|generation \d+ of the policy is in force)[^\n]*\n/ or $r->ended_now })
		or die "nothing came of the reload:\n" . $r->log;
	return $said;
}
sub address { my ($r, $name) = @_; return $r->wait_log(qr/> address $name (\S+)/) }
my $TELL = 'for _, s in ipairs { WEB } do s:post_start(function(ctx) mark("address", ctx.server.name, ctx.server.address) end) end';
sub web { my ($body, %o) = @_; my $listen = $o{listen} || '127.0.0.1:0'; my $more = $o{more} || ''; return qq(local web = curfew.http { name = "web", listen = "$listen", $more routes = { ["GET /"] = function() return "$body" end } } web:post_start(function() mark("address web " .. web.address) end)\n) }
sub stop_it { my ($r) = @_; $r->signal('TERM'); return $r->wait_exit }
sub since { my ($r, $from) = @_; return join ', ', @{ $r->marks }[$from .. $#{ $r->marks }] }

# ---- S7.2: what is unchanged runs on

{
	my $r = run_it(web('one') . 'local p = curfew.process { name = "p", command = { "sleep", "99" } } p:post_start(function() mark("pid " .. p.pid) end) web:pre_stop(function() mark "old hook" end)');
	my $addr = address($r, 'web');
	my $pid = $r->wait_log(qr/> pid (\d+)/);
	$r->wait_log(qr/started 2 servers/);
	my $s = connect_to($addr);
	print $s "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	my $text = '';
	sysread $s, $text, 4096, length $text until $text =~ /one$/;
	my $said = reload($r, web('two') . 'local p = curfew.process { name = "p", command = { "sleep", "99" } } web:pre_stop(function() mark("new hook", p.pid, web.address) end)');
	like($said, qr/generation 2 of the policy is in force: 2 unchanged/, 'S7.2: servers whose definitions say the same are unchanged') or diag $r->log;
	print $s "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	$text = '';
	sysread($s, $text, 4096, length $text) or last until $text =~ /two$/;
	like($text, qr/two$/, 'S7.2: the connection goes on, under the new handler');
	is((http_get($addr, '/'))[1], 'two', 'S7.2: the address is the same');
	ok(kill(0, $pid), 'S7.2: and the child process lives');
	is(stop_it($r), 0, 'and it stops well');
	is($r->marks->[-1], "new hook $pid $addr", 'S7.2: with the new hooks, that know what is') or diag $r->log;
	unlike($r->log, qr/old hook/, 'and without the old ones');
}

# ---- S7.2: added, gone, changed

{
	my $r = run_it(web('one') . 'local gone = curfew.tcp { name = "gone", listen = "127.0.0.1:0", handler = nop } gone:pre_stop(function(ctx) mark("gone stops", ctx.mode, ctx.server.name) end) gone:post_stop(function(ctx) mark("gone is", ctx.result) end)');
	$r->wait_log(qr/started 2 servers/);
	my $said = reload($r, web('one', more => 'keep_alive = "3s", ') . 'local new = curfew.tcp { name = "new", listen = "127.0.0.1:0", handler = nop } new:after(web) new:post_start(function() mark "new is up" end)');
	like($said, qr/1 added, 1 removed, 1 updated/, 'the answer counts them');
	like($said, qr/reload: web: updated\n/, 'S7.2: what can change in place does');
	$r->wait_log(qr/> new is up/);
	$r->wait_log(qr/> gone is stopped/);
	like($r->log, qr/> gone stops graceful gone\n/, 'S7.2: what is gone stops gracefully, with the hooks that it was started under');
	$said = reload($r);
	like($said, qr/generation 3 of the policy is in force: 2 unchanged/, 'and again, with nothing changed');
	is(stop_it($r), 0, 'and it stops well') or diag $r->log;
}
{ # another address: the new one first
	my $r = run_it(web('one') . 'web:pre_stop(function() mark("old stops") end)');
	my $old = address($r, 'web');
	$r->wait_log(qr/started 1 server/);
	my $s = connect_to($old);
	print $s "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
	my $port = do { my $l = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0'); $l->sockport };
	my $said = reload($r, web('two', listen => "127.0.0.1:$port"));
	like($said, qr/reload: web: replaced/, 'S7.2: another address: it is replaced');
	$r->wait_log(qr/> old stops/);
	like($r->log, qr/> address web 127\.0\.0\.1:$port\n.*> old stops/s, 'S7.2: the new one starts first');
	is((http_get("127.0.0.1:$port", '/'))[1], 'two', 'and serves');
	ok(wait_until(sub { !connect_to($old) }), 'the old address is closed');
	is(stop_it($r), 0, 'and it stops well');
}
for my $to (qw(tcp unix)) { # the same address, another kind: the socket is handed over
	my $r = run_it(($to eq 'tcp' ? '' : 'local DIR = os.getenv "CURFEW_TEST" ') . 'local s = curfew.tcp { name = "s", listen = ' . ($to eq 'tcp' ? '"127.0.0.1:0"' : '"unix:" .. DIR .. "/sock"') . ', handler = function(c) c:write "tcp" end } s:post_start(function() mark("address s " .. s.address) end)');
	my $addr = address($r, 's');
	my $listen = $to eq 'tcp' ? '127.0.0.1:0' : $addr;
	$r->wait_log(qr/started 1 server/);
	my $waiting = connect_to($addr);
	my $said = reload($r, qq(local s = curfew.http { name = "s", listen = "$listen", handler = function() return "http" end } s:post_start(function() mark("again s " .. s.address) end)));
	like($said, qr/reload: s: replaced/, "S7.2: $to: another kind: it is replaced");
	is($r->wait_log(qr/> again s (\S+)/), $addr, "S7.2: $to: on the same address, whose socket it was handed");
	is((http_get($addr, '/'))[1], 'http', "S7.2: $to: and it serves there") or diag $r->log;
	my $got = '';
	sysread $waiting, $got, 10;
	is($got, 'tcp', "S7.2: $to: who was connected before is served by the old one");
	close $waiting;
	ok(wait_until(sub { $r->log =~ /s: stopped/ }), "$to: which then stops");
	is((http_get($addr, '/'))[1], 'http', "S7.2: $to: and has left the socket alone");
	is(stop_it($r), 0, "$to: and it stops well") or diag $r->log;
}
for my $case (['false', qr/> old is gone\n.*> new is up/s, 'S7.2: a process stops first'], ['true', qr/> new is up\n.*> old is gone/s, 'S7.2: with overlap the new one starts first']) {
	my ($overlap, $order, $what) = @$case;
	my $r = run_it('local p = curfew.process { name = "p", command = { "sleep", "98" } } p:post_stop(function() mark "old is gone" end)');
	$r->wait_log(qr/started 1 server/);
	like(reload($r, qq(local p = curfew.process { name = "p", command = { "sleep", "99" }, overlap = $overlap } p:post_start(function() mark "new is up" end))), qr/reload: p: replaced/, "another command: replaced");
	$r->wait_log(qr/> new is up/);
	$r->wait_log(qr/> old is gone/);
	like($r->log, $order, $what);
	is(stop_it($r), 0, 'and it stops well');
	is(join(' ', $r->left_behind), '', 'nothing is left');
}
{ # what of a process can change while it runs
	my $r = run_it('curfew.process { name = "p", command = { "sh", "-c", "trap \'echo usr; exit 0\' USR1; echo ready; while :; do sleep 0.01; done" }, stdout = "log" }');
	$r->wait_log(qr/ready/);
	$r->wait_log(qr/started 1 server/);
	like(reload($r, 'curfew.process { name = "p", command = { "sh", "-c", "trap \'echo usr; exit 0\' USR1; echo ready; while :; do sleep 0.01; done" }, stdout = "log", stop = { "USR1", "KILL" }, restart = "always" }'), qr/reload: p: updated/, 'S7.2: restart and stop of a process change in place');
	is(stop_it($r), 0, 'and it stops well');
	like($r->log, qr/usr/, 'by the new signals') or diag $r->log;
}
{ # curfew.server: the functions that started it stop it
	my $r = run_it('local n = 0 local s = curfew.server { name = "s", start = function() n = 1 mark "start 1" curfew.spawn(function() while true do curfew.sleep(0.005) n = n + 1 if io.open "tell" then mark("works", n) return end end end) end, stop = function() mark("stop 1", n > 1) end } curfew.on("SIGUSR1", function() curfew.spawn(function() s:restart() end) return curfew.ignore end)');
	$r->wait_log(qr/started 1 server/);
	my $next = 'local s = curfew.server { name = "s", start = function() mark "start 2" end, stop = function() mark "stop 2" end } curfew.on("SIGUSR1", function() curfew.spawn(function() s:restart() mark "restarted" end) return curfew.ignore end)';
	like(reload($r, $next), qr/1 unchanged/, 'S7.2: a Lua server with other functions runs on');
	like(reload($r, $next), qr/1 unchanged/, 'twice');
	spew("$r->{dir}/tell", '');
	$r->wait_log(qr/> works/);
	$r->signal('USR1');
	$r->wait_log(qr/> restarted/);
	is(join(', ', grep { !/restarted|works/ } @{ $r->marks }), 'start 1, stop 1 true, start 2', 'the functions that share its state stop it, the new ones start it anew') or diag $r->log;
	is(stop_it($r), 0, 'and it stops well');
	is($r->marks->[-1], 'stop 2', 'and stop it from then on');
}

# ---- S7.1: whatever is wrong, nothing has changed

{
	my $r = run_it(web('one') . 'curfew.on("start_failed", function() mark "NEVER" end)');
	my $addr = address($r, 'web');
	$r->wait_log(qr/started 1 server/);
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0');
	my $port = $taken->sockport;
	for my $case (
		['a syntax error', 'x = = 1', qr/policy\.lua:5: unexpected symbol near '='/],
		['an error while it runs', 'local t = nil t.x = 1', qr/policy\.lua:5: attempt to index a nil value/],
		['an endless loop', 'curfew.configure { load_limit = "50ms" } while true do end', qr/passed load_limit \(50ms\) at policy\.lua:5/],
		['no memory', 'curfew.configure { memory_limit = "4MB" } local t = {} for i = 1, 1e7 do t[i] = {} end', qr/not enough memory/],
		['a cycle', 'local a = curfew.server { name = "a" } local b = curfew.server { name = "b" } a:after(b) b:after(a)', qr/policy\.lua:5: server:after: servers that wait for each other: b -> a -> b/],
		['an unknown trigger', 'curfew.on("SIGTREM", curfew.ignore)', qr/policy\.lua:5: curfew\.on: unknown trigger "SIGTREM", did you mean "SIGTERM"/],
		['a name that is there twice', 'curfew.server { name = "a" } curfew.server { name = "a" }', qr/policy\.lua:5: curfew\.server: there is a server named "a" already/],
		['a bad address', 'curfew.tcp { name = "a", listen = "127.0.0.1:99999", handler = nop }', qr/policy\.lua:5: curfew\.tcp: listen: /],
		['a bad route', 'curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET x"] = nop } }', qr/policy\.lua:5: curfew\.http: routes/],
		['an address that is taken', qq(curfew.tcp { name = "a", listen = "127.0.0.1:$port", handler = nop }), qr/a: cannot listen on 127\.0\.0\.1:$port: Address already in use/],
		['an address for health that is taken', qq(curfew.configure { health = { listen = "127.0.0.1:$port" } }), qr/cannot listen on 127\.0\.0\.1:$port: Address already in use/],
		['a program that is not there', 'curfew.process { name = "a", command = { "/nowhere/at/all" } }', qr{a: cannot run /nowhere/at/all: No such file or directory}],
		['a command that is not there', 'curfew.process { name = "a", command = { "no-such-command" } }', qr/a: cannot run no-such-command: No such file or directory/],
		['a folder that is not there', 'curfew.process { name = "a", command = { "sleep", "9" }, cwd = "/nowhere" }', qr{a: cannot run sleep in /nowhere: No such file or directory}],
		['last words', 'local x <close> = setmetatable({}, { __close = function() curfew.exec({ "touch", "NEVER" }, nop) curfew.stop() os.exit(9) end }) curfew.sleep(0.001) curfew.on("what", nop)', qr/unknown trigger "what"/],
		['last words of a task', 'curfew.spawn(nop) local t = curfew.spawn(function() local x <close> = setmetatable({}, { __close = function() curfew.trigger "stop" os.exit(9) end }) curfew.sleep(100) end) t:await(0.001) error "now"', qr/policy\.lua:5: now/],
		['an unknown setting', 'curfew.configure { exit_timeuot = 1 }', qr/policy\.lua:5: curfew\.configure: unknown key "exit_timeuot", did you mean "exit_timeout"/],
		['os.exit', 'os.exit(3)', qr/called os\.exit\(3\)/],
		['a command that it waits for', 'curfew.exec { "touch", "NEVER" }', qr/policy\.lua:5: [^\n]*give a callback, or begin it in curfew\.spawn/],
		['a module that is not there', 'require "nowhere"', qr/policy\.lua:5: module 'nowhere' not found/],
		['a task that fails', 'local t = curfew.spawn(function() error "boom" end) t:await() error "after"', qr/policy\.lua:5: after/],
	) {
		my ($what, $lua, $why) = @$case;
		my $said = reload($r, "$lua curfew.after(0, function() mark 'NEVER' end)");
		like($said, qr/ERROR reload: refused, the policy that runs stays in force: /, "S7.1: $what is refused");
		like($said, $why, "S7.1: $what: and why");
		is((http_get($addr, '/'))[1], 'one', "S7.1: $what: the one that runs goes on") or diag $r->log;
	}
	unlink "$r->{dir}/policy.lua";
	like(reload($r), qr/refused, [^\n]*cannot read the policy policy\.lua: No such file or directory/, 'S7.1: a file that is not there');
	like(reload($r, web('two')), qr/generation \d+ of the policy is in force: 1 unchanged/, 'and a good one is taken after all of them');
	is((http_get($addr, '/'))[1], 'two', 'and serves');
	is(stop_it($r), 0, 'and it stops well');
	is(join(' ', grep { /NEVER/ } @{ $r->marks }), '', 'S7.1: validation calls no rule and no hook, and timers of refused ones never fire');
	ok(!-e "$r->{dir}/NEVER", 'S7.1: nor is a command run');
}

# ---- S7.1: what begins with the swap; S7.3: what ends with it

{
	my $r = run_it('curfew.server { name = "s" } curfew.every(0.01, function() N = (N or 0) + 1 if N == 3 then mark "ticks" end OLD = true end) curfew.spawn(function() while true do curfew.sleep(0.01) if BEFORE then mark "NEVER" end end end)' . " $UP");
	$r->wait_log(qr/> ticks/);
	my $said = reload($r, <<'LUA');
local s = curfew.server { name = "s" }
local order = {}
curfew.spawn(function() order[#order + 1] = "spawn" end)
curfew.after(0.02, function() order[#order + 1] = "after" mark(table.concat(order, " ")) end)
curfew.every(0.01, function() order[#order + 1] = "every" end)
curfew.exec({ "sh", "-c", "echo ran >> ran" }, function(res) mark("exec", res.code) end)
mark("loaded", #order, io.open "ran" and "ran" or "not yet", s.state)
local ok = curfew.start()
mark("start", tostring(ok), curfew.state)
curfew.subscribe("reloaded", function(v) mark("told", v.generation, v.servers[1].name, v.servers[1].change) end)
LUA
	like($said, qr/> loaded 0 not yet/, 'S7.1: nothing at top level has begun while it is loaded');
	$r->wait_log(qr/> exec 0/);
	$r->wait_log(qr/> start true started/);
	$r->wait_log(qr/> (spawn every[^\n]* after)/);
	pass('S7.1: all of it begins with the swap');
	is(slurp("$r->{dir}/ran"), "ran\n", 'once');
	is(stop_it($r), 0, 'and it stops well');
	unlike($r->log, qr/NEVER/, 'S7.3: timers and tasks of the old one are cancelled');
}
{ # requests and hooks finish in the old one
	my $lua = sub { my $n = shift; 'curfew.configure { reload_grace = "' . ($_[0] || '20s') . qq(" } local go = false curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET /slow"] = function() mark "in" while not io.open "go" do curfew.sleep(0.005) end return "$n" end, ["GET /"] = function() return "$n" end } }) };
	for my $case (['finishes in it', '20s', 1, 200, 'old'], ['is cut when its time is over', '50ms', 0, 500, undef]) {
		my ($what, $grace, $go, $status, $body) = @$case;
		my $r = run_it($lua->('old') . ' local web = curfew.find "web" web:post_start(function() mark("address web " .. web.address) end)');
		my $addr = address($r, 'web');
		$r->wait_log(qr/started 1 server/);
		my $s = connect_to($addr);
		print $s "GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
		$r->wait_log(qr/> in/);
		like(reload($r, $lua->('new', $grace)), qr/1 unchanged/, 'a reload with a request under way');
		is((http_get($addr, '/'))[1], 'new', 'others are served by the new one');
		spew("$r->{dir}/go", '') if $go;
		my $text = join '', <$s>;
		like($text, qr{^HTTP/1\.1 $status }, "S7.3: the request $what");
		like($text, qr/\r\n\r\n$body$/, 'by the old handler') if $body;
		like($r->log, qr/WARN  reload: generation 1 of the policy has had its time: 1 of its requests/, 'S7.3: which is logged') unless $go;
		is(stop_it($r), 0, 'and it stops well');
	}
}
{ # no more than a few old ones
	my $lua = 'local n = 0 curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET /wait"] = function() mark "in" curfew.sleep(100) end, ["GET /"] = function() return "x" end } } local web = curfew.find "web" web:post_start(function() mark("address web " .. web.address) end)';
	my $r = run_it($lua);
	my $addr = address($r, 'web');
	$r->wait_log(qr/started 1 server/);
	my @s;
	for my $n (1 .. 6) {
		push @s, connect_to($addr);
		print { $s[-1] } "GET /wait HTTP/1.1\r\nHost: x\r\n\r\n";
		wait_until(sub { my @in = $r->log =~ /> in/g; @in == $n }) or die $r->log;
		reload($r);
	}
	my @cut = $r->log =~ /generation (\d+) of the policy is one of too many/g;
	is("@cut", '1 2', 'field.md 21: of more than four old ones the oldest are cut, which is logged') or diag $r->log;
	my $text = '';
	sysread $s[0], $text, 100;
	like($text, qr{^HTTP/1\.1 500 }, 'their requests are answered with 500');
	is((http_get($addr, '/'))[1], 'x', 'and it serves');
	close $_ for @s;
	is(stop_it($r), 0, 'and it stops well') or diag $r->log;
}

# ---- S7.4

{
	my $r = run_it('local s = curfew.server { name = "s", start = nop } s:pre_stop(function() mark "stopping" while not io.open "go" do curfew.sleep(0.005) end end)' . " $UP");
	$r->wait_log(qr/> up/);
	$r->signal('TERM');
	$r->wait_log(qr/> stopping/);
	$r->signal('HUP');
	ok($r->wait_log(qr{SIGHUP: reload is no answer to it now: a stop has begun, (the reload is refused)}), 'S7.4: during a stop it is refused, and the log says so');
	spew("$r->{dir}/go", '');
	is($r->wait_exit, 0, 'and the stop goes on') or diag $r->log;
}
{
	my $r = run_it('curfew.server { name = "s", start = function() mark "starting" while not io.open "go" do curfew.sleep(0.005) end mark "started" end }');
	$r->wait_log(qr/> starting/);
	spew("$r->{dir}/policy.lua", $HEAD . 'curfew.server { name = "s" } curfew.subscribe("reloaded", function() mark "reloaded" end)');
	$r->signal('HUP');
	$r->wait_log(qr/SIGHUP: reload/);
	spew("$r->{dir}/go", '');
	$r->wait_log(qr/> reloaded/);
	is(join(', ', @{ $r->marks }), 'starting, started, reloaded', 'S7.4: while starting it is queued') or diag $r->log;
	is(stop_it($r), 0, 'and it stops well');
}
{
	my $r = run_it('curfew.server { name = "s" } if not curfew.kept.asked then curfew.after(0, function() curfew.kept.asked = true for i = 1, 3 do curfew.spawn(function() local v, m = curfew.reload() mark("answer", i, v and v.generation or m, v and v.servers[1].change) curfew.sleep(0.01) mark "NEVER" end) end end) end');
	wait_until(sub { @{ $r->marks } == 3 }) or die $r->log;
	is(join(', ', sort @{ $r->marks }), 'answer 1 2 unchanged, answer 2 2 unchanged, answer 3 2 unchanged', 'S7.4: those that overlap are one, and all are answered');
	spew("$r->{dir}/policy.lua", $HEAD . 'curfew.server { name = "s" } curfew.on("reload", curfew.ignore) curfew.on("SIGUSR1", function() curfew.spawn(function() mark("said", tostring(curfew.reload())) end) return curfew.ignore end)');
	reload($r, undef);
	$r->signal('USR1');
	is($r->wait_log(qr/> said (\w+)/), 'nil', 'a rule may refuse it, and who asked hears that') or diag $r->log;
	like(reload($r, 'error "x"'), qr/refused/, 'its decision by a signal goes past that rule');
	is(stop_it($r), 0, 'and it stops well');
	unlike($r->log, qr/NEVER/, 'S7.3: a task that asked hears the answer, and ends');
}
{
	my $r = run_it('curfew.server { name = "s" } curfew.subscribe("reload_failed", function(e) mark("failed", e.error) end) curfew.on("SIGUSR1", function() curfew.spawn(function() local v, m, code = curfew.reload() mark("answer", tostring(v), m, code) end) return curfew.ignore end)' . " $UP");
	$r->wait_log(qr/> up/);
	spew("$r->{dir}/policy.lua", 'x = = 1');
	$r->signal('USR1');
	like($r->wait_log(qr/> (answer nil [^\n]*)/), qr/^answer nil policy\.lua:1: unexpected symbol near '=' ELUA$/, 'who asked hears why it was refused');
	like($r->wait_log(qr/> (failed [^\n]*)/), qr/^failed policy\.lua:1: unexpected symbol/, 'and who has subscribed');
	is(stop_it($r), 0, 'and it stops well');
}

# ---- an error behind curfew.start() of a policy that is in force by then

{
	my $r = run_it('local s = curfew.server { name = "s" } s:pre_stop(function() mark "old hook" end)' . " $UP");
	$r->wait_log(qr/> up/);
	like(reload($r, 'local s = curfew.server { name = "s" } s:pre_stop(function() mark "new hook" end) curfew.subscribe("reload_failed", function(e) mark("failed", e.error) end) curfew.start() mark "behind" error "typo"'), qr/generation 2 of the policy is in force/, 'a policy that fails behind its curfew.start() is in force by then');
	like($r->wait_log(qr/> (failed [^\n]*)/), qr/^failed policy\.lua:5: typo$/, 'S7.1: its error is told');
	like($r->log, qr/ERROR policy\.lua:5: typo[^\n]*\n[^\n]*ERROR reload: the rest of the policy was not run; generation 2 is in force/, 'and logged');
	like(reload($r, 'local s = curfew.server { name = "s" } s:pre_stop(function() mark "newer hook" end)'), qr/1 unchanged/, 'the servers run on, and a reload mends it');
	is(stop_it($r), 0, 'and it stops well') or diag $r->log;
	is(join(', ', @{ $r->marks }), 'up, behind, failed policy.lua:5: typo, newer hook', 'by the hook that is in force then');
}

# ---- curfew.kept

{
	my $r = run_it('curfew.server { name = "s" } curfew.kept.n = (curfew.kept.n or 0) + 1 curfew.kept.list = { 1, "two", { x = true } } mark("n", curfew.kept.n) curfew.on("SIGUSR1", function() curfew.kept.late = (curfew.kept.late or 0) + 1 return curfew.ignore end) curfew.on("SIGUSR2", function() curfew.kept.bad = { deep = nop } return curfew.ignore end)' . " $UP");
	$r->wait_log(qr/> up/);
	$r->signal('USR1');
	$r->wait_log(qr/SIGUSR1/);
	reload($r);
	$r->wait_log(qr/> n 2/);
	reload($r, 'curfew.server { name = "s" } local k = curfew.kept mark("kept", k.n, k.late, k.list[2], tostring(k.list[3].x)) curfew.on("SIGUSR2", function() curfew.kept.bad = { deep = nop } return curfew.ignore end)');
	like($r->log, qr/> kept 2 1 two true/, 'curfew.kept goes from generation to generation') or diag $r->log;
	$r->signal('USR2');
	$r->wait_log(qr/SIGUSR2/);
	like(reload($r), qr/refused, [^\n]*curfew\.kept\.bad: a function has no place here/, 'what is not plain is refused, by its name');
	is(stop_it($r), 0, 'and it stops well');
}

# ---- settings

{
	my $r = run_it('curfew.configure { log = { level = "debug", format = "logfmt" }, health = { listen = "127.0.0.1:0" }, exit_timeout = "9s" } curfew.server { name = "s" } curfew.log.debug "> debugging"' . " $UP");
	my $health = $r->wait_log(qr/health: listening on ([0-9.:]+)/);
	$r->wait_log(qr/> debugging/);
	$r->wait_log(qr/> up/);
	my $said = reload($r, 'curfew.server { name = "s", stop = function(ctx) mark "stops" end } curfew.log.debug "> not said"');
	ok(wait_until(sub { !connect_to($health) }), 'a listener for health that is not configured any more closes');
	is(stop_it($r), 0, 'and it stops well');
	like($r->log, qr/INFO  stop: graceful[^\n]*ends within 5s/, 'a setting that is gone is back at its default') or diag $r->log;
}

# ---- S4.12: a stop in between, and a crash afterwards

{
	my $r = run_it('local s = curfew.server { name = "s", start = nop, stop = function() mark "old stop" end } s:pre_stop(function() mark "old hook" while not io.open "go" do curfew.sleep(0.005) end mark "old hook done" end)' . " $UP");
	$r->wait_log(qr/> up/);
	reload($r, 'local n = curfew.server { name = "n", start = nop } n:pre_stop(function() mark "new hook" end)');
	$r->wait_log(qr/> old hook/);
	$r->signal('TERM');
	$r->wait_log(qr/> new hook/);
	spew("$r->{dir}/go", '');
	is($r->wait_exit, 0, 'S4.12: a stop that comes while something retires');
	like($r->log, qr/> old hook done\n.*> old stop/s, 'waits for it') or diag $r->log;
}
{
	my $POLICY = <<'LUA';
local function trace(...) local f = io.open("traces", "a") f:write(table.concat({ ... }, " "), "\n") f:close() end
require("m")(trace)
LUA
	my $module = sub { my $n = shift; qq(return function(trace) local curfew = require "curfew" $_[0] for _, name in ipairs { "a", "b" } do local s = curfew.server { name = name, start = function() end } s:pre_stop(function() trace(name, "$n") end) end curfew.pre_stop(function() trace("global", "$n") end) end) };
	my $r = run_it("$POLICY $UP", files => { 'm.lua' => $module->('first', '') });
	$r->wait_log(qr/> up/);
	my $o = orchestrator($r);
	spew("$r->{dir}/m.lua", $module->('second', 'local z = curfew.server { name = "z", start = function() end } z:pre_stop(function() trace("z", "second") end)'));
	reload($r, $POLICY);
	$r->wait_log(qr/z: started/);
	spew("$r->{dir}/m.lua", 'error "third"');
	like(reload($r), qr/refused/, 'a third one is refused');
	spew("$r->{dir}/m.lua", 'error "fourth"');
	kill 'KILL', $o;
	is($r->wait_exit, 137, 'S8.2: a crash after a reload');
	is(join(', ', sort(traces($r))), 'a second, b second, global second, z second', "S8.2: the hooks of the policy that ran, that of a server that came later among them") or diag $r->log;
}
{ # a server in another place in the order, one that came after the reload, and one that is gone
	my $hooks = sub { my $n = shift; join ' ', map { qq(local $_ = curfew.server { name = "$_", start = nop } $_:pre_stop(function() trace("$_ $n") end)) } @_ };
	my $head = 'local function trace(...) local f = io.open("traces", "a") f:write(table.concat({ ... }, " "), "\n") f:close() end ';
	my $r = run_it($head . $hooks->(1, qw(a b c)) . " $UP");
	$r->wait_log(qr/> up/);
	my $o = orchestrator($r);
	reload($r, $head . $hooks->(2, qw(c x a)));
	$r->wait_log(qr/x: started/);
	$r->wait_log(qr/b: stopped/);
	kill 'KILL', $o;
	is($r->wait_exit, 137, 'S8.2: a crash');
	is(join(', ', sort(traces($r))), 'a 2, b 1, c 2, x 2', 'S8.2: each is known by its place in the new policy') or diag $r->log;
}

# ---- `-- COMMAND`, several policies

{
	my $r = run_it('curfew.server { name = "s" }' . " $UP", command => ['sleep', '99'], before => ['-p', 'more.lua'], files => { 'more.lua' => 'local curfew = require "curfew" local t = curfew.server { name = "t" } curfew.start() curfew.log.info("> t", t.state)' });
	$r->wait_log(qr/> t started/);
	my $said = reload($r, 'curfew.server { name = "s" } curfew.server { name = "u" }');
	like($said, qr/1 added, 3 unchanged/, 'the command stays, and all policies are read again') or diag $r->log;
	unlike($said, qr/command: (?:stopped|replaced)/, 'the command is untouched');
	is(stop_it($r), 143, 'S2.15: and its end decides') or diag $r->log;
}

# ---- watching

my $bin = $BIN =~ m{^/} ? $BIN : POSIX::getcwd() . "/$BIN";
sub changes { my ($r) = @_; my @n = $r->log =~ /reload: (?:refused|generation \d+ of)/g; return scalar @n }
sub wait_changes { my ($r, $n) = @_; wait_until(sub { changes($r) >= $n or $r->ended_now }) && changes($r) >= $n or die "change $n was not seen:\n" . $r->log }
sub rename_in { my ($r, $name, $text) = @_; spew("$r->{dir}/$name.new", $text); rename "$r->{dir}/$name.new", "$r->{dir}/$name" or die "rename: $!" }

for my $how (['--watch', '', ['--watch']], ['configure', 'curfew.configure { watch = true } ', []]) {
	my ($what, $configure, $args) = @$how;
	my $main = sub { $HEAD . $configure . 'local m = require "sub.m" mark("m", m, "v", "' . $_[0] . '") curfew.server { name = "s" }' };
	my $r = run_it('curfew.server { name = "s" }', before => ['-p', 'main.lua', @$args, '--log-level', 'info'], files => {});
	$r->signal('KILL') and $r->wait_exit; # only for its directory
	mkdir "$r->{dir}/sub";
	spew("$r->{dir}/policy.lua", $main->(1));
	spew("$r->{dir}/sub/m.lua", 'return "one"');
	my $pid = fork // die;
	if (!$pid) {
		chdir $r->{dir};
		$ENV{CURFEW_TEST} = $r->{dir};
		open STDERR, '>', $r->{err};
		exec { $bin } $bin, 'run', @$args, 'policy.lua' or POSIX::_exit(98);
	}
	@$r{qw(pid status)} = ($pid, undef);
	delete $r->{signalled};
	$r->wait_log(qr/> m one v 1/);
	$r->wait_log(qr/started 1 server/);
	rename_in($r, 'policy.lua', $main->(2));
	$r->wait_log(qr/> m one v 2/);
	wait_changes($r, 1);
	pass("$what: a policy that an editor replaced by a rename is read again");
	spew("$r->{dir}/sub/m.lua", 'return "two"');
	$r->wait_log(qr/> m two v 2/);
	wait_changes($r, 2);
	pass("$what: a module that it requires, written in place, too");
	for my $i (1 .. 20) { spew("$r->{dir}/policy.lua", $main->($i == 20 ? 'last' : 2 + $i)); select undef, undef, undef, 0.002 }
	$r->wait_log(qr/> m two v last/);
	wait_changes($r, 3);
	spew("$r->{dir}/noise", 'x');
	spew("$r->{dir}/sub/m.lua", 'return = 1');
	$r->wait_log(qr{refused, [^\n]*sub/m\.lua:1: unexpected symbol});
	wait_changes($r, 4);
	spew("$r->{dir}/noise", 'y');
	spew("$r->{dir}/sub/m.lua", 'return "good"');
	$r->wait_log(qr/> m good v last/);
	wait_changes($r, 5);
	is(changes($r), 5, "$what: a burst of writes is one reload, one that fails is told once, and other files are none") or diag $r->log;
	is(stop_it($r), 0, 'and it stops well');
}

# What is saved while what was there before still loads is not lost: the script waits at its top level until it may go on.
{
	my $waits = sub { qq(curfew.log.info "> loads $_[0]" while not io.open "go" do curfew.sleep(0.005) end curfew.server { name = "s" } mark "runs $_[0]" $_[1]) };
	my $r = run_it('curfew.server { name = "s" }' . " $UP", before => ['--watch']);
	$r->wait_log(qr/> up/);
	rename_in($r, 'policy.lua', $HEAD . $waits->(1, ''));
	$r->wait_log(qr/> loads 1/);
	rename_in($r, 'policy.lua', $HEAD . $waits->(2, ''));
	$r->wait_log(qr/policy\.lua has changed.*policy\.lua has changed/s);
	spew("$r->{dir}/go", '');
	$r->wait_log(qr/> runs 2/);
	wait_changes($r, 2);
	unlink "$r->{dir}/go";
	rename_in($r, 'policy.lua', $HEAD . $waits->(3, 'error "broken"'));
	$r->wait_log(qr/> loads 3/);
	rename_in($r, 'policy.lua', $HEAD . $waits->(4, ''));
	$r->wait_log(qr/(?:policy\.lua has changed.*){4}/s);
	spew("$r->{dir}/go", '');
	$r->wait_log(qr/> runs 4/);
	wait_changes($r, 4);
	is(join(', ', @{ $r->marks }), 'up, loads 1, runs 1, loads 2, runs 2, loads 3, runs 3, loads 4, runs 4', 'S7.1: what is saved while an earlier version loads is loaded next, whether that one was good or not') or diag $r->log;
	is(stop_it($r), 0, 'and it stops well');
}

# A module that is not there yet when the policy asks for it.
{
	my $r = run_it('curfew.server { name = "s" }' . " $UP", before => ['--watch']);
	$r->wait_log(qr/> up/);
	rename_in($r, 'policy.lua', $HEAD . 'local m = require "later" mark("later", m) curfew.server { name = "s" }');
	$r->wait_log(qr/reload: refused.*module 'later' not found/s);
	spew("$r->{dir}/later.lua", 'return = 1');
	$r->wait_log(qr/later\.lua:1: /);
	spew("$r->{dir}/later.lua", 'return "came"');
	$r->wait_log(qr/> later came/);
	pass('a module that is written after the policy that asks for it is seen, and mended, too');
	is(stop_it($r), 0, 'and it stops well');
}

# Who asks after the files were read hears of them as they are now, not of the build before.
{
	my $r = run_it('curfew.server { name = "s" } curfew.on("reload", function() mark "asked" return curfew.reload end)' . " $UP", before => ['--control', 'c.sock']);
	$r->wait_log(qr/> up/);
	spew("$r->{dir}/policy.lua", $HEAD . 'mark "loads" while not io.open "go" do curfew.sleep(0.005) end error "broken"');
	$r->signal('HUP');
	$r->wait_log(qr/> loads/);
	spew("$r->{dir}/policy.lua", $HEAD . 'curfew.server { name = "s" } mark "mended"');
	my $pid = open my $out, '-|', $bin, 'reload', '--socket', "$r->{dir}/c.sock" or die "fork: $!";
	$r->wait_log(qr/> asked/);
	spew("$r->{dir}/go", '');
	my $said = do { local $/; <$out> };
	ok(close $out, 'S7.4: who asked while one was loading hears of the next');
	like($said, qr/generation 3/, 'which has read what is there now') or diag $r->log;
	is(stop_it($r), 0, 'and it stops well');
}

done_testing;
