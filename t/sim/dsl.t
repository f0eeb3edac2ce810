#!/usr/bin/perl
# dsl.t: `curfew test`: what a test can say, and what it is told when a check does not hold.
use strict;
use warnings;
use File::Temp ();
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $dir = File::Temp->newdir('curfew-sim-XXXXXX', TMPDIR => 1);
my $count = 0;

my $POLICY = <<'LUA';
local curfew = require "curfew"
local db = curfew.process { name = "db", command = { "redis-server" }, stop = { { signal = "TERM", wait = "20s" } } }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { db }, routes = {} }
web:pre_stop(function(ctx) curfew.sleep("250ms") curfew.log.info("held", web.address) end, { name = "hold", timeout = "2s" })
web:post_stop(function(ctx) curfew.log.info("gone", ctx.result) end)
db:pre_stop(function() end)
LUA

# One test file beside policy.lua; what it printed, both streams in one, and its code.
sub run_test {
	my ($lua, $policy) = @_;
	my $folder = "$dir/" . ++$count;
	mkdir $folder or die "$folder: $!";
	spew("$folder/policy.lua", $policy // $POLICY);
	spew("$folder/one_test.lua", "local sim = require 'curfew.sim'\n$lua");
	my $out = `'$BIN' test $folder/one_test.lua 2>&1`;
	return ($? & 127 ? "signal $?" : $? >> 8, $out);
}

sub holds {
	my ($what, $body, $policy) = @_;
	my ($code, $out) = run_test("sim.test('it', function(t)\n$body\nend)", $policy);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	(is($code, 0, $what) and like($out, qr/^ok 1 - it$/m, "$what: TAP")) or diag $out;
	return $out;
}

# Line 3 is the body's first.
sub fails {
	my ($what, $body, $words, $policy) = @_;
	my ($code, $out) = run_test("sim.test('it', function(t)\n$body\nend)", $policy);
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($code, 1, "$what: code 1") or diag $out;
	like($out, qr/^not ok 1 - it$/m, "$what: TAP") or diag $out;
	like($out, $words, "$what: says where and why") or diag $out;
	return $out;
}

my $LOAD = 'local run = t:load "policy.lua"';
my $TERM = 'run:at("1s", "SIGTERM") run:finish()';

# ---- servers

holds('S4.7: a slow db is cut at the margin', <<"LUA");
$LOAD run:server("db"):stops_in("12s") $TERM
t:equal(run.exit_code, 255)
t:order("web pre_stop", "web stopped", "web post_stop", "db pre_stop", "margin", "db cut", "exit")
t:within("5s", run.ended_at - 1)
t:never "db stopped"
LUA
holds('S4.1: all in order, and in no time but that of the hooks', <<"LUA");
$LOAD $TERM
t:equal(run.exit_code, 0)
t:equal(run.ended_at, 1.25)
t:order("SIGTERM", 'web pre_stop "hold"', "web stopped", "web post_stop", "db pre_stop", "db stopped", "exit")
t:like(run:log(), "held 127%.0%.0%.1:4")
LUA
holds('never_stops', "$LOAD run:server 'db':never_stops() $TERM t:equal(run.exit_code, 255)");
holds('S3.2: fails', "$LOAD run:server 'web':fails 'no port' run:finish() t:equal(run.exit_code, 1) t:order('web start_failed', 'start_failed', 'db stopped') t:like(run:log(), 'no port')");
holds('fails_to_start is the same', "$LOAD run:server 'web':fails_to_start() run:finish() t:equal(run.exit_code, 1)");
holds('S2.16: never_starts', "$LOAD run:server 'db':never_starts() run:finish() t:equal(run.exit_code, 1) t:equal(run.ended_at, 30)");
holds('starts_in', "$LOAD run:server 'db':starts_in '2s' $TERM t:order('db starting', 'SIGTERM', 'start_aborted', 'db stopped') t:equal(run.ended_at, 2)");
holds('S4.11: fails_to_stop', "$LOAD run:server 'db':fails_to_stop 'bad' $TERM t:equal(run.exit_code, 1) t:order('db closed')");
holds('S2.7: dies_at by a signal', "$LOAD run:server 'db':dies_at('3s', 9) run:finish() t:equal(run.exit_code, 255) t:order('db closed', 'closed', 'closed abort', 'abort')");
holds('dies_at: signal by name, code', <<"LUA", "$POLICY\ncurfew.on('closed', function(t) return curfew.graceful(t.code) end)");
$LOAD run:server 'db':dies_at('3s', 'SEGV') run:finish() t:equal(run.exit_code, 139)
run = t:load "policy.lua" run:server 'db':dies_at(3, { code = 7 }) run:finish() t:equal(run.exit_code, 7)
LUA
holds('S4.13: dies during the stop', "$LOAD run:server 'db':never_stops():dies_at('2s', 11) $TERM t:equal(run.exit_code, 1) t:order('db stopping', 'db closed', 'exit')");
holds('a process is killed when its last step has had its time', <<"LUA", $POLICY . 'curfew.configure { exit_timeout = "60s" }');
$LOAD run:server("db"):never_stops() $TERM
t:equal(run.ended_at, 21.25)
LUA
holds('a restart with its backoff', <<"LUA", 'local curfew = require "curfew" curfew.process { name = "db", command = { "x" }, restart = "failure" }');
$LOAD run:server("db"):dies_at("3s") run:at("10s", "SIGTERM") run:finish()
t:order("db started", "db closed", "db restarting", "db started", "SIGTERM")
t:equal(run.exit_code, 0)
LUA

# ---- curfew.server

my $PAIR = 'local curfew = require "curfew" curfew.server { name = "thing", start = function() curfew.log.info "begun" end, stop = function() curfew.sleep(0.5) curfew.log.info "done" end }';
holds('the functions of curfew.server run', "$LOAD $TERM t:like(run:log(), 'begun.*done') t:equal(run.ended_at, 1.5)", $PAIR);
holds('but where the test has a word on it', "$LOAD run:server 'thing':stops_in(2) $TERM t:ok(not run:log():find 'begun') t:equal(run.ended_at, 3)", $PAIR);

# ---- triggers

holds('S2.3: exit with a code', "$LOAD run:at(1, 'exit', { code = 3 }) run:finish() t:equal(run.exit_code, 3) t:order('exit', 'exit abort')");
holds('S2.5: error', "$LOAD run:at(1, 'error') run:finish() t:equal(run.exit_code, 1)");
holds('a trigger of its own', "$LOAD run:at(1, 'custom:deploy') run:finish() t:equal(run.exit_code, 4) t:order('custom:deploy')",
	"$POLICY\ncurfew.on('custom:deploy', curfew.graceful(4))");
holds('stop', "$LOAD run:at(1, 'stop') run:finish() t:equal(run.exit_code, 0)");
holds('S2.13: counts', "$LOAD run:at(1, 'INT'):at(1.1, 'SIGINT') run:finish() t:equal(run.exit_code, 130)",
	"$POLICY\ncurfew.on('SIGINT', function(t) if t.count > 1 then return curfew.abort(130) end end)");
holds('S2.8: idle', "$LOAD run:finish() t:equal(run.exit_code, 0) t:order 'idle'", 'require "curfew"');
my $HOLDS = <<'LUA';
local curfew = require "curfew"
curfew.configure { exit_timeout = "1m", max_exit_timeout = "5m" }
local db = curfew.process { name = "db", command = { "x" }, stop = { { signal = "TERM", wait = "10s" }, { signal = "INT", wait = "10s" } } }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { db }, routes = {} }
web:pre_stop(function(ctx) curfew.sleep "20s" curfew.log.info("told", ctx.hurried, ctx.cancelled) end)
LUA
holds('hurry: a hold', "$LOAD run:at(1, 'SIGTERM'):at(3, 'hurry') run:finish() t:equal(run.exit_code, 0) t:equal(run.ended_at, 3)
	t:order('web pre_stop', 'hurry', 'hurried', 'web pre_stop ended', 'web stopped') t:like(run:log(), 'told true false')", $HOLDS);
holds('hurry: a process that takes its time gets its next signal', <<'LUA', $HOLDS);
local run = t:load "policy.lua"
run:server("db"):never_stops()
run:at(1, "SIGTERM"):at(3, "hurry"):at(5, "hurry"):at(6, "hurry")
run:finish()
t:equal(run.ended_at, 6) -- the first was for the hold, the second for TERM, the third for INT
LUA
holds('extend', "$LOAD run:server 'db':never_stops() run:at(1, 'SIGTERM'):at(2, 'extend', { by = '2m' }):at(3, 'hurry') run:finish()
	t:order('extended', 'hurried') t:equal(run.exit_code, 0) t:equal(run.ended_at, 23)", $HOLDS);
holds('skip: a hook, then a drain', "$LOAD run:server 'db':never_stops() run:at(1, 'SIGTERM'):at(3, 'skip', { server = 'web' }):at(4, 'skip', { server = 'db' })
	run:finish() t:equal(run.exit_code, 1) t:equal(run.ended_at, 4) t:order('web skipped', 'web stopped', 'db skipped', 'db cut')", $HOLDS);
holds('S4.12: cancel, and the next stop calls every hook again', "$LOAD run:at(1, 'SIGTERM'):at(3, 'cancel'):at(100, 'SIGTERM') run:finish()
	t:equal(run.exit_code, 0) t:equal(run.ended_at, 120) t:order('SIGTERM', 'web pre_stop', 'cancel', 'cancelled', 'SIGTERM', 'web pre_stop', 'web stopped')
	t:like(run:log(), 'told false true')", $HOLDS);
holds('one server', "$LOAD run:at(1, 'restart_server', { server = 'db' }):at(2, 'stop_server', { server = 'web' }):at(3, 'start_server', { server = 'web' })
	:at(60, 'SIGTERM') run:finish() t:order('restart_server', 'web stopped', 'db stopped', 'db started', 'web started') t:equal(run.exit_code, 0)",
	$HOLDS =~ s/curfew\.sleep "20s"//r);
holds('a rule refuses', "$LOAD run:at(1, 'SIGTERM'):at(3, 'hurry') run:finish() t:equal(run.ended_at, 21) t:order('hurry ignore')",
	"$HOLDS curfew.on('hurry', curfew.ignore)");
for (["'skip'", qr/skip needs \{ server = "web" \}/], ["'extend'", qr/extend needs \{ by = "30s" \}/], ["'hurry', { server = 'db' }", qr/hurry takes no server/],
	["'SIGTERM', { by = 3 }", qr/SIGTERM takes no by/], ["'skip', { server = 'dbb' }", qr/there is no server "dbb"/]) {
	my ($code, $out) = run_test("sim.test('it', function(t) $LOAD run:at(1, $_->[0]) run:at(2, 'SIGTERM') run:finish() error(run:log(), 0) end)", $HOLDS);
	is($code, 1, "$_->[0]: an error");
	like($out, $_->[1], 'that says so');
}
holds('a signal that nobody catches', "$LOAD run:at(1, 'USR1'):at(2, 'SIGTERM') run:finish() t:like(run:log(), 'no rule names SIGUSR1')");
fails('an unknown trigger', "$LOAD\nrun:at(1, 'SIGTREM')", qr/one_test\.lua:4: run:at: unknown trigger "SIGTREM", did you mean "SIGTERM"\?/);
fails('closed cannot be raised', "$LOAD run:at(1, 'closed')", qr/one_test\.lua:3: run:at: closed cannot be raised: use run:server\(name\):dies_at/);
fails('SIGKILL neither', "$LOAD run:at(1, 'KILL')", qr/SIGKILL cannot be raised/);

# ---- exec, fetch, fs

my $ASKS = <<'LUA';
local curfew = require "curfew"
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = {} }
web:pre_stop(function()
	local r, m, c = curfew.exec { "backup", "all", timeout = "2s" }
	curfew.log.info("exec", r and r.code, r and r.stdout, m, c)
	local f = curfew.fetch("http://127.0.0.1/x", { method = "POST" })
	curfew.log.info("fetch", f and f.status, f and f.body)
	curfew.log.info("fs", curfew.fs.read "/a", curfew.fs.exists "/b", curfew.fs.exists "/dir", select(3, curfew.fs.read "/none"))
	curfew.fs.write("/c", "written")
	curfew.fs.rename("/a", "/d")
	curfew.fs.remove "/e"
	curfew.log.info("stat", curfew.fs.stat("/c").size, curfew.fs.stat("/dir").type)
	curfew.log.info("os", os.execute "true", io.popen("x"):read "a")
end)
LUA
holds('exec, fetch and fs are answered by the test', <<"LUA", $ASKS);
local seen = {}
$LOAD
run:exec(function(args) seen[#seen + 1] = table.concat(args, " ") return { stdout = "out\\n", code = 0, takes = "1s" } end)
run:fetch(function(url, opts) seen[#seen + 1] = opts.method .. " " .. url return { status = 202, body = "b" } end)
local files = { ["/a"] = "A", ["/dir/x"] = "", ["/e"] = "" }
run:fs(files)
$TERM
t:equal(seen, { "backup all", "POST http://127.0.0.1/x", "/bin/sh -c true", "/bin/sh -c x" })
t:equal(files, { ["/c"] = "written", ["/d"] = "A", ["/dir/x"] = "" })
t:like(run:log(), "exec 0 out\\n nil nil") t:like(run:log(), "fetch 202 b") t:like(run:log(), "fs A false true ENOENT")
t:like(run:log(), "stat 7 directory") t:like(run:log(), "os true out")
t:equal(run.ended_at, 4)
LUA
holds('failures, and a time that is past the timeout', <<"LUA", $ASKS);
$LOAD
run:exec(function() return nil, "no such program", "ENOENT" end)
run:fetch { status = 500 } run:fs { ["/a"] = "", ["/e"] = "", ["/dir/y"] = "" } $TERM
t:like(run:log(), "exec nil nil no such program ENOENT")
run = t:load("policy.lua", { exec = { takes = "1m" }, fetch = {}, fs = { ["/a"] = "", ["/e"] = "", ["/dir/y"] = "" } }) run:at(1, "SIGINT")
run:finish()
t:like(run:log(), "exec nil nil .* ETIMEDOUT")
LUA
my $out = fails('what is not answered fails the test', "$LOAD $TERM", qr/the policy asks for curfew\.exec \{ "backup", "all" \} at 1s, and the test has no answer: run:exec\(function/, $ASKS);
like($out, qr/asks for curfew\.fs\.read\("\/a"\).*run:fs/, 'fs: says how');
like($out, qr/asks for curfew\.fetch\("http:.*run:fetch/, 'fetch: says how');
fails('a stub that is none', "$LOAD run:exec 'x'", qr/one_test\.lua:3: run:exec: expected a function, or a table/);
fails('files that are none', "$LOAD run:fs { 'x' }", qr/one_test\.lua:3: run:fs: expected the contents of files/);
fails('a stub that fails', "$LOAD run:exec(function() error 'stub' end) $TERM", qr/one_test\.lua:3: stub/, $ASKS);

# ---- nothing real

spew("$dir/real", 'x');
holds('a policy changes no file, sees no environment and has the time of the test', <<"LUA", <<"POLICY");
local run = t:load("policy.lua", { env = { A = "1" }, epoch = 1000 })
run:at("1h", "SIGTERM") run:finish()
t:like(run:log(), "no real file is changed.*no real file is changed.*kept")
t:like(run:log(), "env 1 nil") t:like(run:log(), "time 4600 3600%.0 1970")
LUA
local curfew = require "curfew"
curfew.log.info(select(2, io.open("$dir/real", "w")))
curfew.log.info(select(2, os.remove("$dir/real")))
curfew.log.info(io.open("$dir/real"):read "a" == "x" and "kept")
curfew.log.info("env", os.getenv "A", os.getenv "PATH")
curfew.server { name = "s" }
curfew.pre_stop(function() curfew.log.info("time", os.time(), os.clock(), os.date "!%Y") end)
POLICY
is(slurp("$dir/real"), 'x', 'the file is as it was');
$out = holds('what a policy prints is no result', "$LOAD $TERM", "$POLICY\nprint 'not ok 1 - printed'");
my $quiet = `'$BIN' test $dir/$count/one_test.lua 2>/dev/null`;
unlike($quiet, qr/printed/, 'it goes to the standard error');

# ---- checks that do not hold

fails('equal', "$LOAD $TERM\nt:equal(run.exit_code, 3, 'the code')", qr/one_test\.lua:4: the code: not equal\n#\s+got: 0\n# expected: 3/);
fails('equal of tables', 't:equal({ 1, { a = 2 } }, { 1, { a = 3 } })', qr/got: \{ 1, \{ a = 2 \} \}\n# expected: \{ 1, \{ a = 3 \} \}/);
fails('is, ok, fail, like', "t:is(1, 2)\nt:ok(nil, 'words')\nt:fail 'no'\nt:like('a', 'b')", qr/:3: not equal.*:4: words: does not hold.*:5: no\b.*:6: not like/s);
fails('order: the other way round', "$LOAD $TERM\nt:order('db pre_stop', 'web pre_stop')", qr/one_test\.lua:4: "web pre_stop" happened at 1s, not after "db pre_stop" at 1\.25s/);
fails('order: never', "$LOAD $TERM t:order 'db prestop'", qr/"db prestop" never happened, did you mean "db pre_stop"\?/);
fails('never', "$LOAD $TERM t:never 'web stopped'", qr/"web stopped" happened at 1\.25s/);
$out = fails('within', "$LOAD $TERM t:within('100ms', run.ended_at - 1)", qr/not within 100ms: it took 0\.25 s/);
like($out, qr/^# stop took 250ms of 5s, code 0, because of SIGTERM$/m, 'a failed test shows the timeline');
like($out, qr/^#\s+1\.250s web stopped$/m, 'and the events');
fails('an unknown server', "$LOAD\nrun:server('dbb'):never_stops() $TERM", qr/one_test\.lua:4: run:server: there is no server "dbb", did you mean "db"\?/);
fails('no trigger', "$LOAD run:finish()", qr/one_test\.lua:3: run:finish: .*a trigger is missing/, 'require "curfew".server { name = "s" }');
fails('a policy that is not there', 't:load "nope.lua"', qr/one_test\.lua:3: t:load: cannot read the policy nope\.lua: No such file/);
fails('a syntax error', $LOAD, qr/one_test\.lua:3: t:load: .*policy\.lua:1:.*unexpected symbol/, 'local x = = 1');
fails('a policy that fails while it loads', "$LOAD $TERM", qr/one_test\.lua:3: run:finish: the policy does not load:\n# .*policy\.lua:1: no good/, 'error "no good"');
fails('a policy with a wrong key', "$LOAD $TERM", qr/policy\.lua:1: curfew\.http: unknown key "lisen", did you mean "listen"/, 'require "curfew".http { name = "web", lisen = "x" }');
fails('an endless policy', "$LOAD $TERM", qr/does not load:.*load_limit/s, 'while true do end');
fails('a policy that goes round without waiting', "$LOAD $TERM", qr/goes round and round/, 'local curfew = require "curfew" curfew.spawn(function() while true do curfew.sleep(0) end end)');
fails('an endless test', 'while true do end', qr/hook_cpu_limit \(5s\) at .*one_test\.lua:3/);
fails('an error', 'local x x.y = 1', qr/one_test\.lua:3: attempt to index a nil value/);
fails('an error that is no string', 'error {}', qr/error object is a table/);
fails('a misspelt name', 't:equals(1, 1)', qr/one_test\.lua:3: t: unknown name "equals", did you mean "equal"/);
fails('a misspelt name of a run', "$LOAD run:finsh()", qr/run: unknown name "finsh", did you mean "finish"/);
fails('a misspelt name of a server', "$LOAD run:server 'db':stop_in '1s'", qr/server: unknown name "stop_in", did you mean "stops_in"/);
fails('a wrong duration', "$LOAD run:server 'db':stops_in 'soon'", qr/one_test\.lua:3: server:stops_in: expected a duration.*got "soon"/);
fails('order without a run', "t:order 'x'", qr/t:load comes first/);
fails('a test runs nothing real', 'assert(require "curfew".exec { "true" })', qr/a test runs no command/);

# ---- the run

holds('advance, events, state in between', <<"LUA");
$LOAD run:at("10s", "SIGTERM")
run:advance "5s" t:equal(run.ended, nil) t:order("web started") t:never "SIGTERM"
run:server("db"):stops_in "1s"
run:advance "5.1s" t:order("SIGTERM", "web pre_stop") t:equal(#run:events() > 5, true)
run:finish() t:equal(run.ended_at, 11.25)
LUA
holds('a main script that asks before it has defined its servers', "$LOAD run:exec { stdout = 'db2' } run:server 'db2':stops_in(1) $TERM t:equal(run.ended_at, 2)",
	'local curfew = require "curfew" curfew.process { name = curfew.exec { "name" }.stdout, command = { "x" } }');
holds('settings stronger than the policy\'s', "local run = t:load('policy.lua', { configure = { exit_timeout = '2s' } }) run:server 'db':never_stops() $TERM t:within('2s', run.ended_at - 1)");
holds('100,000 seconds of a policy with a timer', "$LOAD run:at(100000, 'SIGTERM') run:finish() t:like(run:log(), '99999 ticks')",
	"$POLICY\nlocal n = 0 curfew.every('1s', function() n = n + 1 end) curfew.pre_stop(function() curfew.log.info(n .. ' ticks') end)");

holds('S7.2: a reload, with the time and the environment of the test', <<"LUA", <<'POLICY');
local run = t:load("policy.lua", { env = { A = "a" }, epoch = 1000 })
run:at(1, "SIGHUP"):at(2, "SIGHUP"):at(3, "SIGTERM") run:server("db"):stops_in(1) run:finish()
t:order("SIGHUP reload", "SIGHUP reload", "SIGTERM", "db pre_stop", "db stopped")
t:equal(run.ended_at, 4) t:like(run:log(), "generation 3") t:like(run:log(), "at 1003 a")
t:equal(select(2, run:log():gsub("db: starting", "")), 1)
LUA
local curfew = require "curfew"
curfew.configure { watch = true }
local db = curfew.process { name = "db", command = { "db" } }
db:pre_stop(function() curfew.log.info("at", os.time(), os.getenv "A") end)
curfew.on("SIGHUP", curfew.reload)
POLICY

holds('S4.12, S7.2: after reloads hooks have the places of others, and no rule is broken', <<'LUA', <<'POLICY');
for k = 1, 4 do
	local run = t:load "policy.lua"
	for i = 1, k do
		run:at(i, "SIGHUP")
	end
	run:at(10, "SIGTERM")
	run:finish()
	t:order('web pre_stop "1"', 'web pre_stop "2"', 'web pre_stop "3"', 'db pre_stop "a"', 'db pre_stop "b"')
	t:equal(run.exit_code, 0)
end
LUA
local curfew = require "curfew"
curfew.kept.n = (curfew.kept.n or 0) + 1
local db = curfew.process { name = "db", command = { "db" } }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { db }, routes = {} }
local function hooks_of_db()
	db:pre_stop(function() end, { name = "a" })
	db:pre_stop(function() end, { name = "b" })
end
if curfew.kept.n % 2 == 0 then hooks_of_db() end
web:post_start(function() end)
for i = 1, 3 do web:pre_stop(function() end, { name = tostring(i) }) end
if curfew.kept.n % 2 == 1 then hooks_of_db() end
curfew.on("SIGHUP", curfew.reload)
POLICY

# ---- explore

my ($c1, $t1) = run_test(<<'LUA');
sim.explore("the end is in time", "policy.lua", function(run, t) t:ok(run.ended) end, { runs = 60, seed = 3 })
sim.explore("web goes before db", "policy.lua", function(run, t) t:ok(true) end)
LUA
is($c1, 0, 'explore: what holds in all runs') or diag $t1;
($c1, $t1) = run_test(<<'LUA');
sim.explore("nothing is ever cut", "policy.lua", function(run, t) t:never "db cut" end, { runs = 300, seed = 1 })
LUA
is($c1, 1, 'explore: what does not') or diag $t1;
like($t1, qr/^not ok 1 - nothing is ever cut\n# with seed \d+, made small:\n((?:#   run:.*\n)+)#   and SIGTERM at the end$/m, 'the schedule, as a test would write it') or diag $t1;
my ($steps) = $t1 =~ /made small:\n((?:#   run:.*\n)+)/;
cmp_ok(scalar(() = ($steps // '') =~ /\n/g), '<=', 2, 'and small') or diag $t1;
like($t1, qr/one_test\.lua:2: "db cut" happened/, 'and what did not hold');
is((run_test(<<'LUA'))[1] =~ s{/\d+/}{/}gr, $t1 =~ s{/\d+/}{/}gr, 'the same seed, the same words');
sim.explore("nothing is ever cut", "policy.lua", function(run, t) t:never "db cut" end, { runs = 300, seed = 1 })
LUA
($c1, $t1) = run_test('sim.explore("x", "policy.lua", function(run, t) t:like(run:log(), "exec 0 x") end, { runs = 5, load = function() return { exec = { stdout = "x\\n" }, fetch = {}, fs = { ["/a"] = "", ["/e"] = "", ["/dir/y"] = "" } } end })', $ASKS);
like($t1, qr/^ok 1 - x$/m, 'explore: what t:load takes');
unlike($t1, qr/has no answer/, 'is given to each run');
for (['sim.explore("x", "nope.lua", print)', qr/nope\.lua: No such file/], ['sim.explore("x")', qr/one_test\.lua:2: sim\.explore: expected the path/],
	['sim.explore("x", "policy.lua")', qr/expected a function that takes the run/], ['sim.explore("x", "policy.lua", print, { runs = 0 })', qr/sim\.explore: runs: expected a whole number/]) {
	($c1, $t1) = run_test($_->[0]);
	is($c1, 1, "$_->[0]: fails");
	like($t1, $_->[1], 'and says why');
}

# ---- files and folders

my ($code, $text) = run_test("sim.test('a', function(t) end)\nsim.test('b # c\\\\', function(t) t:fail() end)");
is($code, 1, 'one of two fails');
like($text, qr/^ok 1 - a\nnot ok 2 - b \\# c\\\\\n.*^1\.\.2$/ms, 'numbers, escapes and one plan');
($code, $text) = run_test("error 'broken'");
is($code, 1, 'a file that does not load is a failed test');
like($text, qr/^not ok 1 - .*one_test\.lua\n# .*one_test\.lua:2: broken/m, 'with its line');
($code, $text) = run_test('');
like($text, qr/^not ok 1.*\n# it has no test/m, 'a file without a test fails');
($code, $text) = run_test("require 'curfew'.wait 'never'");
like($text, qr/^not ok 1.*\n# .*waits for something that never comes/m, 'a file that waits for ever fails');
mkdir "$dir/all" or die;
mkdir "$dir/all/sub" or die;
spew("$dir/all/$_", "require 'curfew.sim'.test('$_', function() end)") for qw(b_test.lua a_test.lua sub/c_test.lua other.lua);
$text = `'$BIN' test $dir/all`;
is($?, 0, 'a folder');
is(join(' ', $text =~ /^ok \d+ - (\S+)/mg), 'a_test.lua b_test.lua sub/c_test.lua', 'its tests in order, those below too, nothing else');
like($text, qr/^1\.\.3$/m, 'one plan for all');
for my $bad (['', qr/a test or a folder/], ['--nope', qr/unknown option --nope/], ["$dir/none", qr/No such file/], ["$dir/all/sub/x", qr/No such file/]) {
	$text = `'$BIN' test $bad->[0] 2>&1`;
	is($? >> 8, 2, "'$bad->[0]': code 2");
	like($text, $bad->[1], 'and says why');
}
mkdir "$dir/empty" or die;
$text = `'$BIN' test $dir/empty 2>&1`;
is($? >> 8, 2, 'a folder without a test: code 2');
is(`cd $dir/1 && '$BIN' test one_test.lua`, `cd $dir/1 && '$BIN' test one_test.lua`, 'twice the same');
done_testing;
