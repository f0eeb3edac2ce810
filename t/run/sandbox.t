#!/usr/bin/perl
# sandbox.t: what each option of --sandbox allows (S10.4), and what is said of an option that is wrong.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

# sandboxed(policy, [options], child): a policy whose body says "> …"; the marks, the exit code and the log.
sub sandboxed {
	my ($policy, $options, %o) = @_;
	my $r = curfew(policy => "local curfew = require 'curfew'\nlocal function mark(...) curfew.log.info(table.concat({ '>', ... }, ' ')) end\n$policy",
		before => ['--sandbox', @$options], %o);
	my $code = $r->wait_exit;
	return ($r->marks, $code, $r->log);
}
my $say = 'local function say(v, m, code) mark(tostring(v), code or "") end ';

my ($marks, $code, $log) = sandboxed($say . 'say(curfew.exec { "/bin/echo", "hi" }.stdout) say(curfew.exec { "/bin/true" })
	os.exit(0)', ['--allow-exec', '/bin/echo']);
is_deeply($marks, ["hi\\n", 'nil EPERM'], 'S10.4: --allow-exec: that program, no other');

($marks, $code) = sandboxed('mark(os.getenv "A", curfew.exec { "/usr/bin/env", env = { A = "2" } }.stdout:match "A=%d") os.exit(0)',
	[qw(--allow-exec /usr/bin/env --allow-env A)], env => { A => 1 });
is_deeply($marks, ['1 A=2'], 'S10.4: --allow-env: read, and given to a program');

($marks, $code) = sandboxed($say . 'say(curfew.fs.read "a/in") say(curfew.fs.write("a/x", "y")) say(curfew.fs.exists "b") say(curfew.fs.exists "a/none")
	say(curfew.fs.stat("a/in").type) say(curfew.fs.read "./a//in") say(dofile "a/four.lua") os.exit(0)',
	[qw(--allow-read a)], child => sub { mkdir 'a'; mkdir 'b'; spew('a/in', 'in'); spew('a/four.lua', 'return 4') });
is_deeply($marks, ['in', 'nil EPERM', 'nil EPERM', 'false', 'file', 'in', '4'], 'S10.4: --allow-read: beneath it, and only to read');

($marks, $code) = sandboxed($say . 'say(curfew.fs.write("w/x", "one")) say(curfew.fs.rename("w/x", "w/d/y")) say(curfew.fs.read "w/d/y")
	say(curfew.fs.remove "w/d/y") say(curfew.fs.remove "w/d") say(curfew.fs.exists "w/d") say(curfew.fs.remove "w/none") os.exit(0)',
	[qw(--allow-write w --allow-read w)], child => sub { mkdir 'w'; mkdir 'w/d' });
is_deeply($marks, ['true', 'true', 'one', 'true', 'true', 'false', 'nil ENOENT'], 'S10.4: --allow-write: write, rename, remove a file and a folder');

($marks, $code) = sandboxed('mark(require("part").name, require("sub.deep"), require("string").len("abc"), tostring(require "curfew" == curfew), tostring(pcall(require, "wrong"))) os.exit(0)', [],
	files => { 'part.lua' => 'return { name = ... }', 'wrong.lua' => 'return +' }, child => sub { mkdir 'sub'; mkdir 'sub/deep'; spew('sub/deep/init.lua', 'return "deep"') });
is_deeply($marks, ['part deep 3 true false'], 'S10.4: modules are found beside the policy');

my $web = 'local web = curfew.http { name = "web", listen = "127.0.0.1:0", handler = function() return "served" end }
	web:pre_stop(function() mark "pre" end) curfew.start() mark(curfew.fetch("http://" .. web.address .. "/").body or "nothing") os.exit(0)';
($marks, $code) = sandboxed($web, [qw(--allow-listen 127.0.0.1 --allow-fetch 127.0.0.1:*)]);
is_deeply([$marks, $code], [['served', 'pre'], 0], 'S10.4: --allow-listen and --allow-fetch: an address, any port');
($marks, $code, $log) = sandboxed($web, [qw(--allow-listen 127.0.0.1:8080)]);
is($code, 2, 'S10.4: another port: the policy does not load');
like($log, qr/policy\.lua:3: curfew\.http: listen "127\.0\.0\.1:0" is not allowed in the sandbox \(--allow-listen 127\.0\.0\.1:0 would\)/, 'S10.4: which is said with file, line and the option');

($marks, $code) = sandboxed('local p = curfew.process { name = "p", command = { "/bin/sleep", "99" }, ready = { delay = "1ms" } }
	curfew.start() mark(curfew.fs.read("/proc/" .. p.pid .. "/status"):match "NoNewPrivs:%s*(%d)") os.exit(0)', [qw(--allow-exec /bin/sleep --allow-read /proc)]);
is_deeply([$marks, $code], [[1], 0], 'S10.4: a program of a sandbox gets no more rights than curfew has');

($marks, $code) = sandboxed('curfew.configure { log = { format = "logfmt" }, exit_timeout = "9s", memory_limit = "65MB" } mark "configured" os.exit(0)',
	[qw(--allow-configure log --limit exit_timeout=10s --limit memory_limit=66MB)]);
is($code, 0, 'S10.4: --allow-configure and --limit: as far as they go');
($marks, $code, $log) = sandboxed('curfew.configure { exit_timeout = "11s" }', [qw(--limit exit_timeout=10s)]);
like($log, qr/policy\.lua:3: .*exit_timeout may be at most 10s in the sandbox/, 'S10.4: … and no further');
is($code, 2, 'S10.4: that policy does not load');
($marks, $code) = sandboxed('curfew.configure { exit_timeout = "11s" } mark "as it is" os.exit(0)', [qw(--exit-timeout 3s)]);
is_deeply($marks, ['as it is'], 'S10.4: what the command line says itself no policy changes, so it may say what it likes');

# where a program begins
($marks, $code) = sandboxed($say . 'local function where(cwd) local r, m, c = curfew.exec({ "/bin/pwd", cwd = cwd }) if r then mark((r.stdout:match "[^/]*$"):sub(1, 1)) else say(r, m, c) end end
	where "d" where "e" os.exit(0)', [qw(--allow-exec /bin/pwd --allow-read d)], child => sub { mkdir 'd'; mkdir 'e' });
is_deeply($marks, ['d', 'nil EPERM'], 'S10.4: --allow-read: a program may begin in that folder, in no other');

# how a program's readiness is found
for my $ready ('tcp = AT', 'http = "http://" .. AT .. "/"') {
	my $body = 'local web = curfew.http { name = "web", listen = "127.0.0.1:0", handler = function() return "yes" end } curfew.start() local AT = web.address
		local ok, m = pcall(curfew.process, { name = "p", command = { "/bin/sleep", "99" }, after = { web }, ready = { ' . $ready . ' } })
		if ok then curfew.start() end mark(ok and m.state or m:match "%-%-allow%-%a+" or m) os.exit(0)';
	my @options = qw(--allow-exec /bin/sleep --allow-listen 127.0.0.1);
	($marks) = sandboxed($body, [@options, qw(--allow-fetch 127.0.0.1:*)]);
	is_deeply($marks, ['started'], "S10.4: --allow-fetch: ready = { $ready }");
	($marks) = sandboxed($body, \@options);
	is_deeply($marks, ['--allow-fetch'], "S10.4: without it ready = { $ready } is refused, and the option named");
}

# a module that lies elsewhere is found through LUA_PATH, but for a sandbox
{
	my $body = 'local ok, m = pcall(require, "elsewhere") mark(ok and m or "none") os.exit(0)';
	my @elsewhere = (env => { LUA_PATH => './far/?.lua;;', LUA_INIT => 'print("init")' }, child => sub { mkdir 'far'; spew('far/elsewhere.lua', 'return "found"') });
	my $r = curfew(policy => "local curfew = require 'curfew' local function mark(w) curfew.log.info('> ' .. w) end $body", @elsewhere);
	$r->wait_exit;
	is_deeply($r->marks, ['found'], 'LUA_PATH is for policies that are trusted');
	($marks) = sandboxed($body, [], @elsewhere);
	is_deeply($marks, ['none'], 'S10.4: in the sandbox it is not looked at, nor is LUA_INIT');
}

# S10.4: who may say no to a stop
for my $case ([[], 'stopped'], [['--allow-ignore', 'stop'], 'ignored']) {
	my ($options, $end) = @$case;
	($marks, $code) = sandboxed('curfew.on("stop", curfew.ignore) local s = curfew.server { name = "s", start = function() end } s:pre_stop(function() mark "stopped" end)
		curfew.start() curfew.stop { exit = false } if s.state == "started" then mark "ignored" end curfew.exit(0)', $options);
	is($marks->[0], $end, "S10.4: a rule that ignores stop, with (@$options): $end");
}

{ # S2.12, S10.4: what an operator stops it with
	my $body = 'curfew.on("SIGTERM", curfew.ignore) local s = curfew.server { name = "s", start = function() end } s:pre_stop(function() mark "pre" end)
		curfew.on("SIGHUP", curfew.reload) curfew.start() mark "up"';
	my $r = curfew(policy => "local curfew = require 'curfew' local function mark(w) curfew.log.info('> ' .. w) end\n$body", before => ["--sandbox", "--allow-ignore", "SIGTERM,SIGINT"]);
	$r->wait_log(qr/> up/);
	$r->signal('TERM');
	$r->wait_log(qr/SIGTERM.*ignore/);
	$r->signal('HUP');
	$r->wait_log(qr/generation 2 of the policy is in force/);
	pass('S10.4: --allow-ignore; and a reload by SIGHUP needs no leave');
	kill 'KILL', guarded_pid($r);
	is($r->wait_exit, 137, 'S8.2: the crash run is in the sandbox too, and does its work');
	is_deeply($r->marks, ['up', 'up', 'pre'], 'S4.12: the hook ran once');
}

sub guarded_pid {
	my ($r) = @_;
	my ($child) = (slurp("/proc/$r->{pid}/task/$r->{pid}/children") // '') =~ /(\d+)/;
	return $child || die 'no orchestrator';
}

# what is wrong with an option
for (
	[['--allow-exec', '/bin/true'], qr/--allow-exec is for the sandbox: it needs --sandbox, too/],
	[['--limit', 'x=1'], qr/--limit: there is no limit "x"; there are exit_timeout/],
	[['--sandbox', '--limit', 'exit_timeout'], qr/--limit: expected SETTING=VALUE/],
	[['--sandbox', '--limit', 'exit_timeout=x'], qr/--limit exit_timeout: /],
	[['--sandbox', '--limit', 'memory_limit=1XB'], qr/no size such as 256MB/],
	[['--sandbox', '--allow-exec', 'true'], qr/--allow-exec: a program is named by its whole path, "true" is none/],
	[['--sandbox', '--allow-ignore', 'SIGNO'], qr/--allow-ignore: "SIGNO" is neither stop nor a signal/],
	[['--sandbox', '--allow-read', 'a,,b'], qr/--allow-read: a word is empty/],
	[['--sandbox', '--allow-read', '/no/such/folder'], qr{the folder /no/such/folder, which the sandbox allows: No such file}],
) {
	my ($options, $said) = @$_;
	my $r = curfew(policy => '', before => $options);
	is($r->wait_exit, 2, "@$options: exit code 2");
	like($r->log, $said, "@$options: the error says why");
}
done_testing;
