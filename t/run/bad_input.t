#!/usr/bin/perl
# bad_input.t: every mistake gets a message that names the place and the way out, the right code, and leaves nothing behind.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $HEAD = "local curfew = require \"curfew\"\n"; # what follows is line 2

# name, policy (or undef: none is written), expected code, expected words
my @cases = (
	['a syntax error', "local x = = 1\n", 2, qr/policy\.lua:1:.*unexpected symbol/],
	['an error while running', $HEAD . 'error "no good"', 2, qr/policy\.lua:2: no good/],
	['a non-string error', $HEAD . 'error {}', 2, qr/error object is a table/],
	['an endless loop', $HEAD . 'curfew.configure { exit_timeout = "1s" } while true do end', 2, qr/load_limit|CPU/i],
	['binary', "\x7fELF\0\1\2\3", 2, qr/policy\.lua/],
	['bytecode', "\x1bLua\x54\x00", 2, qr/bytecode|binary chunk/],
	['huge', '-- ' . ('x' x (17 << 20)), 2, qr/16 MB/],
	['an unknown key', $HEAD . 'curfew.http { name = "web", lisen = "127.0.0.1:0" }', 2, qr/policy\.lua:2:.*lisen.*listen/],
	['an unknown setting', $HEAD . 'curfew.configure { exit_timout = "5s" }', 2, qr/policy\.lua:2:.*exit_timout.*exit_timeout/],
	['a limit that leaves no memory', $HEAD . 'curfew.configure { memory_limit = "1KB" }', 2, qr/policy\.lua:2: curfew\.configure: memory_limit: 1024 bytes are too few: the policy holds \d+, and the limit has to leave 1 MB/],
	['a limit that leaves no time', $HEAD . 'curfew.configure { hook_cpu_limit = "1us" }', 2, qr/policy\.lua:2: curfew\.configure: hook_cpu_limit is "1us", and less than 1ms is not enough/],
	['a wrong type', $HEAD . 'curfew.configure { exit_timeout = {} }', 2, qr/policy\.lua:2:.*exit_timeout/],
	['a wrong duration', $HEAD . 'curfew.configure { exit_timeout = "5 parsecs" }', 2, qr/policy\.lua:2:.*5 parsecs/],
	['an unknown signal', $HEAD . 'curfew.on("SIGTREM", curfew.ignore)', 2, qr/policy\.lua:2:.*SIGTREM.*SIGTERM/],
	['an unknown trigger', $HEAD . 'curfew.on("idel", curfew.ignore)', 2, qr/policy\.lua:2:.*idel.*idle/],
	['a name used twice', $HEAD . "curfew.server { name = 'a', start = print, stop = print }\ncurfew.server { name = 'a', start = print, stop = print }", 2, qr/policy\.lua:3:.*"?a"?/],
	['a cycle', $HEAD . "local a = curfew.server { name = 'a', start = print, stop = print }\nlocal b = curfew.server { name = 'b', start = print, stop = print }\na:after(b) b:after(a)", 2, qr/policy\.lua:4:.*(a -> b -> a|b -> a -> b)/],
	['an unknown dependency', $HEAD . "curfew.server { name = 'a', after = { 'nobody' }, start = print, stop = print }", 2, qr/policy\.lua:2:.*nobody/],
	['a port out of range', $HEAD . 'curfew.http { name = "web", listen = "127.0.0.1:99999", routes = {} }', 2, qr/policy\.lua:2:.*99999/],
	['no command', $HEAD . 'curfew.process { name = "p", command = {} }', 2, qr/policy\.lua:2:.*command/],
	['a command that is not there', $HEAD . 'curfew.process { name = "p", command = { "/no/such" } }', 1, qr{p\b.*/no/such.*No such file or directory}],
	['a working directory that is not there', $HEAD . 'curfew.process { name = "p", command = { "true" }, cwd = "/no/such" }', 1, qr{/no/such.*No such file or directory}],
	['an unknown user', $HEAD . 'curfew.process { name = "p", command = { "true" }, user = "nobody-such" }', 1, qr/nobody-such/],
	['a child that dies before it is ready', $HEAD . 'curfew.process { name = "p", command = { "sh", "-c", "exit 3" }, ready = { tcp = "127.0.0.1:1", timeout = "10s" } }', 1, qr/p\b.*(code 3|exited with 3|3 before)/],
	['empty: nothing to do', '', 0, qr/./],
	['an error before a start that waits', $HEAD . 'curfew.sleep("10ms") error "late"', 2, qr/policy\.lua:2: late/],
	['a timer that fails before the start', $HEAD . 'curfew.after("1ms", function() error "early" end) curfew.sleep("5s")', 2, qr/policy\.lua:2: early/],
);
for my $c (@cases) {
	my ($what, $policy, $want, $words) = @$c;
	my $r = curfew(policy => $policy);
	my $code = $r->wait_exit;
	my $good = is($code, $want, "$what: code $want");
	$good &= like($r->log, $words, "$what: the message says where and what") if $want;
	$good &= is(join(' ', $r->left_behind), '', "$what: no process is left");
	diag $r->log unless $good;
}

# unreadable, missing, a directory
{
	my $r = curfew(before => ['nowhere.lua']);
	is($r->wait_exit, 2, 'a policy that is not there: 2');
	like($r->log, qr/nowhere\.lua: No such file or directory/, 'and which');
	$r = curfew(before => ['.']);
	is($r->wait_exit, 2, 'a directory: 2');
	like($r->log, qr/directory/, 'and why');
}

# a port in use, a socket in use
{
	my $taken = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die;
	my $addr = '127.0.0.1:' . $taken->sockport;
	my $r = curfew(policy => $HEAD . <<LUA);
local db = curfew.server { name = "db", start = function() end, stop = function() curfew.log.info("> db stop") end }
db:pre_stop(function() curfew.log.info("> db pre") end)
local web = curfew.http { name = "web", listen = "$addr", routes = { ["GET /"] = function() return "x" end } }
web:after(db)
web:pre_stop(function() curfew.log.info("> web pre") end)
LUA
	is($r->wait_exit, 1, 'S3.2: a port in use is a failed start: 1');
	like($r->log, qr/\Q$addr\E.*Address already in use/, 'and says which');
	is(join(', ', @{ $r->marks }), 'db pre, db stop', 'S3.2: exactly what started is stopped');

	my $dir = File::Temp->newdir(TMPDIR => 1);
	my $live = IO::Socket::UNIX->new(Local => "$dir/s", Listen => 1) or die;
	$r = curfew(policy => $HEAD . qq{curfew.http { name = "web", listen = "unix:$dir/s", routes = {} }});
	is($r->wait_exit, 1, 'a socket that somebody listens on is not taken: 1');
	ok(-S "$dir/s" && connect_to("unix:$dir/s"), 'it is still theirs');
	close $live; # a stale one: nobody listens
	$r = curfew(policy => $HEAD . qq{curfew.http { name = "web", listen = "unix:$dir/s", routes = { ["GET /"] = function() return "mine" end } }:post_start(function() curfew.log.info("READY") end)});
	$r->wait_log(qr/READY/);
	my ($status, $body) = http_get("unix:$dir/s", '/');
	is("$status $body", '200 mine', 'a stale socket is replaced');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'and it ends well');
	ok(!-e "$dir/s", 'no socket file is left');
}

# the command line
my @usage = (
	[['--exit-timeout', 'soon', 'x.lua'], qr/--exit-timeout.*soon/],
	[['--exit-timeout', '0', 'x.lua'], qr/--exit-timeout.*longer/],
	[['--exit-timeout'], qr/needs a value/],
	[['--nonsense', 'x.lua'], qr/unknown option --nonsense/],
	[['--log-format', 'xml', 'x.lua'], qr/xml.*text, logfmt, json/],
	[['--log-level', 'loud', 'x.lua'], qr/loud.*debug, info, warn, error/],
	[['--timeline', 'sometimes', 'x.lua'], qr/sometimes.*auto, always, never/],
	[[], qr/a policy or a command/],
	[['a.lua', 'b.lua'], qr/"b\.lua".*-p/],
	[['--'], qr/command must follow/],
);
for my $u (@usage) {
	my ($args, $words) = @$u;
	my $r = curfew(before => $args);
	is($r->wait_exit, 2, "curfew run @$args: 2");
	like($r->log, $words, "curfew run @$args: the message");
}
sub shell { my $out = `$BIN $_[0] 2>&1`; return ($? >> 8, $out) }
my ($code, $out) = shell('');
is($code, 2, 'no command: 2');
($code, $out) = shell('rnu x.lua');
is($code, 2, 'a misspelt command: 2');
like($out, qr/did you mean `curfew run`/, 'and the nearest one');
($code, $out) = shell('policy.lua');
like($out, qr/did you mean `curfew run policy\.lua`/, 'a policy without run');
($code, $out) = shell('help');
is($code, 0, 'help: 0');
like($out, qr/curfew run .*curfew version/s, 'help lists the commands');
($code, $out) = shell('help run');
like($out, qr/--exit-timeout/, 'help run lists its options');
($code, $out) = shell('help nothing');
is($code, 2, 'help of nothing: 2');
($code, $out) = shell('version');
like($out, qr/^curfew \d+\.\d+\.\d+$/, 'version');
for my $command ($out = (shell('help'))[1]) {
	for my $name ($command =~ /^  curfew (\w+)/mg) {
		next if $name eq 'help';
		($code, $out) = shell("$name --help");
		is($code, 0, "$name --help: 0");
		like($out, qr/^usage: curfew $name\b/, "$name --help: says how");
	}
}
($code, $out) = shell('run --help');
is($code, 0, 'run --help: 0');

done_testing;
