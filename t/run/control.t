#!/usr/bin/perl
# control.t: the control API end to end: every path, every error, by curl, by hand and by the commands (S10.1).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use IO::Select;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;

my $HEAD = <<'LUA';
local curfew = require "curfew"
local function wait_for(name) repeat curfew.sleep "5ms" until curfew.fs.exists(name) end
LUA
my %seen; # every field of every answer

sub note_fields {
	my ($v) = @_;
	if (ref $v eq 'HASH') {
		for my $key (keys %$v) {
			$seen{$key} = 1;
			note_fields($v->{$key}) unless $key eq 'stats';
		}
	} elsif (ref $v eq 'ARRAY') {
		note_fields($_) for @$v;
	}
}

sub run_policy {
	my ($policy, %o) = @_;
	my $r = curfew(policy => $HEAD . $policy, %o);
	$r->wait_log(qr/control: listening on unix:(.*?)\s*$/m);
	return $r;
}
sub go { my ($r, $name) = @_; spew("$r->{dir}/$name", '') }

# (status, answer): over a connection of its own.
sub ask {
	my ($r, $method, $path, $body) = @_;
	my ($status, $text) = http_get("unix:$r->{dir}/s.sock", $path, method => $method, body => $body // '') or return;
	my $v = eval { decode_json($text) };
	note_fields($v);
	return ($status, $v // $text);
}
# What comes of raw bytes, until the other side closes or says enough.
sub raw {
	my ($r, $bytes, $enough) = @_;
	my $s = connect_to("unix:$r->{dir}/s.sock") or return;
	local $SIG{PIPE} = 'IGNORE';
	print $s $bytes;
	$s->flush;
	my $text = '';
	while (IO::Select->new($s)->can_read($Curfew::PATIENCE)) {
		sysread $s, $text, 65536, length $text or last;
		last if $enough and $text =~ $enough;
	}
	return $text;
}
# (exit code, output with errors) of a command.
sub command {
	my ($r, @argv) = @_;
	my $pid = open(my $from, '-|') // die "fork: $!";
	if (!$pid) {
		open STDERR, '>&', \*STDOUT;
		$ENV{CURFEW_SOCKET} = "$r->{dir}/s.sock";
		exec { $BIN } $BIN, @argv or POSIX::_exit(98);
	}
	local $/;
	my $text = <$from> // '';
	close $from;
	return ($? >> 8, $text);
}

my $control = 'curfew.configure { control = "s.sock", exit_timeout = "60s", max_exit_timeout = "90s" }';
{
	my $r = run_policy(<<"LUA");
$control
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = { ["GET /"] = function() return "x" end } }
local thing = curfew.server { name = "a thing", start = function() end, stop = function() end }
web:after(thing)
web:pre_stop(function() curfew.log.info "> hook" while not curfew.fs.exists "go" do
	local till = os.clock() + 0.03 while os.clock() < till do end
end end, { name = "busy" })
curfew.on("custom:x", curfew.ignore)
curfew.on("custom:restart", function() return curfew.restart end)
curfew.on("stop", function() return curfew.fs and ALLOW and curfew.graceful(3) or curfew.ignore end)
curfew.on("custom:hold", function() HOLD = not HOLD return curfew.ignore end)
curfew.on("reload", function() if HOLD then return curfew.ignore end end)
curfew.on("custom:allow", function() ALLOW = true return curfew.ignore end)
LUA
	my $path = "$r->{dir}/s.sock";
	is((stat $path)[2] & 07777, 0600, 'S10.1: the socket is private');
	ok(wait_until(sub { ((ask($r, 'GET', '/v1/status'))[1] || {})->{state} eq 'started' }), '/v1/status') or diag $r->log;
	my ($status, $v) = ask($r, 'GET', '/v1/status');
	is($status, 200, 'status 200');
	is_deeply([ sort map { $_->{name} } @{ $v->{servers} } ], [ 'a thing', 'web' ], 'has the servers');
	is_deeply($v->{waits}, [], 'and nothing is waited for');
	($status, $v) = ask($r, 'GET', '/v1/version');
	is($v->{api}, 1, '/v1/version');
	($status, $v) = ask($r, 'GET', '/v1/servers');
	is(scalar @{ $v->{servers} }, 2, '/v1/servers');
	($status, $v) = ask($r, 'GET', '/v1/servers/web');
	is_deeply([ $v->{name}, $v->{kind}, $v->{state}, $v->{after} ], [ 'web', 'http', 'started', ['a thing'] ], '/v1/servers/NAME');
	is((http_get($v->{address}, '/'))[0], 200, 'its address is where it listens');
	is(((ask($r, 'GET', '/v1/servers/a%20thing'))[1])->{name}, 'a thing', 'a name that is encoded');
	is((ask($r, 'HEAD', '/v1/version'))[0], 200, 'HEAD');

	# errors
	for ([ GET => '/', 404 ], [ GET => '/v1/nothing', 404 ], [ GET => '/v1/servers/nope', 404 ], [ GET => '/v1/timeline', 404 ],
		[ GET => '/v1/timeline?format=xyz', 400 ], [ GET => '/v1/events?since=x', 400 ], [ HEAD => '/v1/events', 405 ],
		[ POST => '/v1/status', 405 ], [ GET => '/v1/stop', 405 ],
		[ DELETE => '/v1/servers/web', 405 ], [ POST => '/v1/extend', 400 ], [ POST => '/v1/extend?by=soon', 400 ],
		[ POST => '/v1/trigger/crash', 403 ], [ POST => '/v1/trigger/closed', 403 ], [ POST => '/v1/trigger/rejection', 403 ],
		[ POST => '/v1/trigger/stall', 403 ], [ POST => '/v1/trigger/SIGTREM', 404 ], [ POST => '/v1/skip/nope', 404 ],
		[ POST => '/v1/servers/nope/stop', 404 ], [ POST => '/v1/servers/web/dance', 404 ], [ POST => '/v1/stop', 403 ]) {
		my ($method, $at, $expected) = @$_;
		my ($got, $e) = ask($r, $method, $at);
		is($got, $expected, "$method $at: $expected");
		ok($method eq 'HEAD' || (ref $e && length $e->{error}{code} && length $e->{error}{message}), '… says why');
	}
	like(raw($r, "POST /v1/status HTTP/1.1\r\nConnection: close\r\n\r\n"), qr/^Allow: GET, HEAD\r$/m, 'Allow');
	like((ask($r, 'POST', '/v1/trigger/SIGTREM'))[1]{error}{message}, qr/did you mean "SIGTERM"/, 'the nearest name');
	is((ask($r, 'POST', '/v1/stop', '{"wait":'))[0], 400, 'a body that is no JSON');
	is((ask($r, 'POST', '/v1/stop', '[1]'))[0], 400, 'a body that is no object');
	is((ask($r, 'POST', '/v1/stop', '[' x 4000))[0], 400, 'a body that is deep');

	# decisions
	($status, $v) = ask($r, 'POST', '/v1/trigger/custom:x');
	is_deeply([ $status, $v ], [ 200, { trigger => 'custom:x', decision => 'ignore', code => 0, default => JSON::PP::false } ], 'a decision');
	($status, $v) = ask($r, 'POST', '/v1/trigger/custom:restart');
	ok($status == 200 && $v->{decision} eq 'ignore' && $v->{default}, 'S2.12: one that is not allowed') or diag explain $v;
	($status, $v) = ask($r, 'POST', '/v1/reload');
	is_deeply([ $status, $v->{generation} ], [ 200, 2 ], 'reload: what changed');
	is($v->{servers}[0]{change}, 'unchanged', 'server by server') or diag explain $v;
	my $before = slurp("$r->{dir}/policy.lua");
	spew("$r->{dir}/policy.lua", 'x = = 1');
	($status, $v) = ask($r, 'POST', '/v1/reload');
	is($status, 422, 'a reload that is refused');
	like($v->{error}{message}, qr/policy\.lua:1/, 'says where');
	spew("$r->{dir}/policy.lua", $before);

	ask($r, 'POST', '/v1/trigger/custom:hold');
	is((ask($r, 'POST', '/v1/reload'))[0], 403, 'a rule refuses a reload');
	ask($r, 'POST', '/v1/trigger/custom:hold');

	# by curl
	my $text = `curl -s --unix-socket '$path' -d '{"wait":false}' http://curfew/v1/trigger/custom:x`;
	is(eval { decode_json($text)->{decision} }, 'ignore', 'curl');

	# by the commands
	my ($rc, $out) = command($r, 'status');
	is($rc, 0, 'curfew status');
	like($out, qr/^started, pid \d+.*^  web: http, started/ms, 'for people');
	($rc, $out) = command($r, 'status', '--json');
	is(eval { decode_json($out)->{state} }, 'started', '--json');
	($rc, $out) = command($r, 'trigger', 'custom:x');
	is_deeply([ $rc, $out ], [ 0, "custom:x: ignore, code 0\n" ], 'curfew trigger');
	($rc, $out) = command($r, 'trigger', 'crash');
	is_deeply([ $rc, $out ], [ 1, "curfew trigger: crash: only curfew itself raises it\n" ], 'refused: 1');
	($rc, $out) = command($r, 'stop');
	is_deeply([ $rc, $out ], [ 1, "curfew stop: the policy has answered it with ignore\n" ], 'a rule refuses: 1');
	($rc, $out) = command($r, 'reload');
	like($out, qr/^generation \d+\n.*web: unchanged/s, 'curfew reload');
	is((command($r, 'server', 'dance', 'web'))[0], 2, 'usage: 2');
	is((command($r, 'trigger'))[0], 2, 'an operand is missing: 2');
	is((command($r, 'status', 'x'))[0], 2, 'one too many: 2');
	($rc, $out) = command($r, 'status', '-s', "$r->{dir}/none");
	is($rc, 3, 'nobody answers: 3');
	like($out, qr{nobody answers at \Q$r->{dir}\E/none.*CURFEW_SOCKET}s, 'names the socket and the way out');
	is((command($r, 'timeline'))[0], 1, 'no stop yet');

	# a stop
	my $stream = connect_to("unix:$path");
	print $stream "GET /v1/events?since=0 HTTP/1.1\r\n\r\n";
	my $sse = connect_to("unix:$path");
	print $sse "GET /v1/events HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n";
	ask($r, 'POST', '/v1/trigger/custom:allow');
	my $waiter = connect_to("unix:$path");
	print $waiter "POST /v1/stop?wait=1 HTTP/1.1\r\nConnection: close\r\n\r\n";
	$r->wait_log(qr/> hook/);
	($status, $v) = ask($r, 'GET', '/v1/status'); # answered before the hook ends: it waits for a file
	is($v->{state}, 'stopping', 'field.md 7: it answers while a hook computes');
	my ($w) = @{ $v->{waits} };
	is_deeply([ @$w{qw(server phase hook)} ], [ 'web', 'pre_stop', 'busy' ], 'field.md 13: what is waited for');
	like($w->{where}, qr/^policy\.lua:\d+$/, 'where it is written');
	like($w->{then}, qr/exit 255/, 'and what happens then');
	ok($w->{left} > 1 && $w->{for} >= 0, 'since when, until when');
	is_deeply($v->{then}, ['a thing'], 'and who is next');
	is_deeply([ @{ $v->{stop} }{qw(mode trigger code)} ], [ 'graceful', 'stop', 3 ], 'the stop itself');
	is((ask($r, 'POST', '/v1/reload'))[0], 409, 'S7.4: no reload in a stop');
	($rc, $out) = command($r, 'status');
	like($out, qr/waits for web pre_stop "busy" \(policy\.lua:\d+\), for .*exit 255\n  then: a thing/, 'curfew status says it');
	($rc, $out) = command($r, 'timeline');
	like($out, qr/pre_stop busy/, 'curfew timeline');
	go($r, 'go');
	is($r->wait_exit, 3, 'it ends') or diag $r->log;
	my $answer = join '', <$waiter>;
	my ($json) = $answer =~ /\r\n\r\n(.*)/s;
	$v = decode_json($json);
	note_fields($v);
	is_deeply([ @$v{qw(decision code exit state)} ], [ 'graceful', 3, 3, 'stopped' ], 'wait: the answer when it is over');
	my $events = join '', <$stream>;
	like($events, qr/^0\r\n\r\n\z/m, 'a stream has its end');
	my @events = map { decode_json($_) } $events =~ /^(\{.*\})$/mg;
	note_fields(\@events);
	is_deeply([ map { $_->{seq} } @events ], [ 1 .. @events ], 'every event, in order');
	is($events[-1]{event}, 'exit', 'to the last');
	$events = join '', <$sse>;
	like($events, qr/^id: \d+\nevent: exit\ndata: \{.*\}\n\n\z/m, 'server-sent events');
	ok(!-e $path, 'the socket is gone');
}

# ---- the socket

{
	my $r = run_policy($control . "\n" . 'curfew.server { name = "web", start = function() end, stop = function() end }');
	for ([ 'trigger/exit', '{"code":"abc"}' ], [ 'trigger/exit', '{"code":"3"}' ], [ 'trigger/exit', '{"code":1e99}' ], [ 'trigger/exit', '{"code":-1}' ],
		[ 'trigger/exit', '{"code":256}' ], [ 'trigger/exit', '{"code":1.5}' ], [ 'trigger/exit?code=300', '' ],
		[ 'trigger/exit?code=', '' ], [ 'trigger/exit?code=-1', '' ], [ 'abort?code=1x', '' ]) {
		my ($status, $v) = ask($r, 'POST', "/v1/$_->[0]", $_->[1]);
		is($status, 400, "S2.18: $_->[0] $_->[1]: no exit code");
		is($v->{error}{message}, 'code: expected an exit code from 0 to 255', 'and says what is one');
	}
	for ([ 'POST', 'stop?wait=maybe', '', 'wait: expected true or false' ], [ 'POST', 'abort', '{"wait":1}', 'wait: expected true or false' ],
		[ 'POST', 'stop?wiat=1', '', 'there is no parameter "wiat" here, there are: wait code' ], [ 'POST', 'reload', '{"force":true}', 'there is no parameter "force" here' ],
		[ 'POST', 'extend', '{"by":true}', 'by: expected a duration such as "30s"' ], [ 'GET', 'timeline?width=wide', '', 'width: expected a number of columns' ],
		[ 'GET', 'timeline?color=red', '', 'color: expected true or false' ], [ 'GET', 'events?since=now', '', 'since: expected the number of an event' ],
		[ 'GET', 'servers/web%00x', '', 'the name web%00x is not percent-encoded' ], [ 'GET', 'servers/web%zz', '', 'the name web%zz is not percent-encoded' ],
		[ 'GET', 'servers/web%4', '', 'the name web%4 is not percent-encoded' ]) {
		my ($method, $path, $body, $message) = @$_;
		my ($status, $v) = ask($r, $method, "/v1/$path", $body);
		is($status, 400, "$method $path $body: 400");
		is($v->{error}{message}, $message, 'and why');
	}
	for (qw(SIGKILL SIGSTOP SIGSEGV)) {
		my ($status, $v) = ask($r, 'POST', "/v1/trigger/$_");
		is($status, 403, "$_ is no trigger");
		like($v->{error}{message}, qr/^$_: (?:no process sees this signal|this signal is a fault of the process itself)$/, 'and why');
	}
	is((ask($r, 'GET', '/v1/servers/w%65b'))[0], 200, 'a name may be percent-encoded');
	is((ask($r, 'GET', '/v1/status'))[1]{state}, 'started', 'S2.18: nothing came of any of them');
	my ($status, $v) = ask($r, 'POST', '/v1/trigger/exit', '{"code":7,"wait":false}');
	is($status, 200, 'a code is one');
	ok($v->{default}, 'S2.11: no rule of the policy had an answer: the default') or diag explain $v;
	is($r->wait_exit, 7, 'and the end');
}
{
	my $r = run_policy($control . "\n" . 'curfew.server { name = "s", start = function() end, stop = function() end }');
	my $second = curfew(policy => "require 'curfew'.configure { control = '$r->{dir}/s.sock' }");
	is($second->wait_exit, 2, 'a socket that somebody answers at');
	like($second->log, qr/policy\.lua:1: .*control: cannot listen on unix:.*s\.sock: Address already in use/, 'is an error with its place');
	is((ask($r, 'GET', '/v1/version'))[0], 200, 'the first one goes on');
	is(scalar((command($r, 'abort', '--wait'))[1]), "abort: abort, code 1; it has ended with 1\n", 'curfew abort --wait');
	is($r->wait_exit, 1, 'aborted');
}
{
	my $r = run_policy($control, args => [], command => [ 'sleep', '1000' ]);
	$r->wait_log(qr/command/);
	my $inode = (stat "$r->{dir}/s.sock")[1];
	unlink "$r->{dir}/s.sock";
	spew("$r->{dir}/s.sock", 'mine');
	$r->signal('TERM');
	$r->wait_exit;
	is(slurp("$r->{dir}/s.sock"), 'mine', "at the end another's file is left alone");
}
for ([ 'a file', sub { spew("$_[0]/s.sock", '') }, qr/File exists/ ],
	[ 'a directory for everybody', sub { chmod 0777, $_[0] }, qr/writable by everybody/ ],
	[ 'a directory for everybody that is sticky', sub { chmod 01777, $_[0] }, undef ],
	[ 'a stale one', sub { IO::Socket::UNIX->new(Local => "$_[0]/s.sock", Listen => 1)->close }, undef ],
) {
	my ($what, $do, $error) = @$_;
	my $dir = File::Temp->newdir;
	$do->("$dir");
	my $r = curfew(before => [ '--no-guardian', '--control', "$dir/s.sock" ], policy => 'require "curfew".server { name = "s", start = function() end, stop = function() end }');
	if ($error) {
		is($r->wait_exit, 2, "$what: an error");
		like($r->log, $error, 'that says so');
	} else {
		ok($r->wait_log(qr/control: listening/), "$what: fine");
		is((stat "$dir/s.sock")[2] & 07777, 0600, 'and private');
		$r->signal('TERM');
		is($r->wait_exit, 0, 'ends');
	}
}
{
	my $r = curfew(policy => 'require "curfew".configure { control = { path = "s.sock", group = "nobody-has-this" } }');
	is($r->wait_exit, 2, 'a group that is not there');
	like($r->log, qr/policy\.lua:1: .*there is no group "nobody-has-this"/, 'says so');
	my $group = getgrgid((split ' ', $()[0]);
	$r = run_policy(qq{curfew.configure { control = { path = "s.sock", group = "$group" } }
		curfew.server { name = "s", start = function() end, stop = function() end }});
	is((stat "$r->{dir}/s.sock")[2] & 07777, 0660, 'a group that is: 0660');
	is((ask($r, 'GET', '/v1/version'))[0], 200, 'answers');
	# a reload that names another, and one that names none
	spew("$r->{dir}/policy.lua", 'local curfew = require "curfew" curfew.configure { control = "t.sock" }
		curfew.server { name = "s", start = function() end, stop = function() end }');
	ask($r, 'POST', '/v1/reload');
	ok(wait_until(sub { -e "$r->{dir}/t.sock" }) && wait_until(sub { !-e "$r->{dir}/s.sock" }), 'a reload moves it');
}

# ---- what is rude harms nothing

{
	my $r = run_policy($control . "\n" . 'curfew.server { name = "s", start = function() end, stop = function() end }');
	like(raw($r, "BREW\r\n\r\n"), qr{^HTTP/1\.1 400 .*Connection: close}s, 'no request');
	like(raw($r, "GET /v1/status HTTP/2.0\r\n\r\n"), qr{^HTTP/1\.1 505 }, 'another version');
	like(raw($r, "GET /v1/status FTP/1.0\r\n\r\n"), qr{^HTTP/1\.1 400 }, 'another protocol');
	like(raw($r, "GET /v1/status HTTP/1.1\r\nno colon\r\n\r\n"), qr{^HTTP/1\.1 400 }, 'a header without a colon');
	like(raw($r, "GET /v1/status HTTP/1.1\r\n folded: x\r\n\r\n"), qr{^HTTP/1\.1 400 }, 'a header that is folded');
	like(raw($r, "GET /v1/st\0tus HTTP/1.1\r\n\r\n"), qr{^HTTP/1\.1 400 }, 'a NUL');
	like(raw($r, "GET /v1/status HTTP/1.1\r\nX: " . 'x' x 9000), qr{^HTTP/1\.1 431 }, 'a huge head');
	like(raw($r, "GET /" . 'x' x 200000), qr{^HTTP/1\.1 431 }, 'a huge line');
	like(raw($r, "POST /v1/stop HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"), qr{^HTTP/1\.1 413 }, 'a huge body');
	like(raw($r, "POST /v1/stop HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), qr{^HTTP/1\.1 400 }, 'a negative length');
	like(raw($r, "POST /v1/stop HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), qr{^HTTP/1\.1 400 }, 'two lengths');
	like(raw($r, "POST /v1/stop HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), qr{^HTTP/1\.1 411 }, 'no length');
	like(raw($r, "GET /v1/version HTTP/1.1\r\n\r\n" x 3, qr/(?:api.*){3}/s), qr/(?:api.*){3}/s, 'three in a row are answered');
	like(raw($r, "GET /v1/ver"), qr{^HTTP/1\.1 408 }, 'a request that does not come in time');
	my @half;
	for my $i (1 .. 200) { # more than there may be
		my $s = connect_to("unix:$r->{dir}/s.sock") or next;
		print $s "GET /v1/status HTT";
		$s->flush;
		push @half, $s;
	}
	is((ask($r, 'GET', '/v1/version'))[0], 200, 'half-sent requests keep nobody out');
	ok((grep { IO::Select->new($_)->can_read(0) } @half) >= 100, 'the oldest of them are gone');
	my @streams = map { my $s = connect_to("unix:$r->{dir}/s.sock"); print $s "GET /v1/events HTTP/1.1\r\n\r\n"; $s->flush; sysread $s, my $x, 1000; $s } 1 .. 16;
	is((ask($r, 'GET', '/v1/events'))[0], 503, 'streams are counted');
	undef @streams;
	undef @half;
	ok(wait_until(sub { raw($r, "GET /v1/events HTTP/1.1\r\n\r\n", qr/\r\n\r\n/) =~ / 200 / }), 'those that are gone are not');
	is((ask($r, 'POST', '/v1/stop', '{"wait":true}'))[0], 200, 'and it stops as ever');
	is($r->wait_exit, 0, 'with code 0') or diag $r->log;
}

# A reader that does not read costs a bounded buffer: the journal goes on, and what it has dropped meanwhile is told.
{
	my $r = run_policy(<<"LUA");
$control
curfew.server { name = "s", start = function() end, stop = function() end }
curfew.on("custom:x", curfew.ignore)
curfew.on("custom:many", function() curfew.spawn(function()
	for _ = 1, 200 do for _ = 1, 20 do curfew.trigger("custom:x") end curfew.sleep "1ms" end curfew.log.info "> many"
end) return curfew.ignore end)
LUA
	my $slow = connect_to("unix:$r->{dir}/s.sock");
	setsockopt($slow, SOL_SOCKET, SO_RCVBUF, pack('i', 4096));
	print $slow "GET /v1/events?since=0 HTTP/1.0\r\n\r\n";
	$slow->flush;
	ask($r, 'POST', '/v1/trigger/custom:many');
	$r->wait_log(qr/> many/);
	is((ask($r, 'POST', '/v1/trigger/custom:x'))[0], 200, 'nobody waits for a slow reader');
	my ($text, @seqs) = '';
	while ($text !~ /"event":"lost"[^\n]*\n.*\n/s and IO::Select->new($slow)->can_read($Curfew::PATIENCE)) {
		sysread $slow, $text, 65536, length $text or last;
	}
	my ($lost) = $text =~ /^(\{[^\n]*"event":"lost"[^\n]*)$/m;
	ok($lost, 'it is told what it has missed') or diag length $text;
	if ($lost) {
		my $v = decode_json($lost);
		my ($after) = $text =~ /\Q$lost\E\n\{"seq":(\d+)/;
		ok($v->{from} <= $v->{seq} && $after == $v->{seq} + 1, 'from where to where');
	}
	$r->signal('TERM');
	$r->wait_exit;
}

# Another user is refused even where the file's mode lets it in (S10.1); a member of the group is not.
SKIP: {
	my ($uid, $gid) = (getpwnam 'nobody')[2, 3];
	skip 'needs root and a user nobody', 3 if $> != 0 or !defined $uid;
	my $r = run_policy($control . "\n" . 'curfew.server { name = "s", start = function() end, stop = function() end }');
	chmod 0711, "$r->{dir}";
	chmod 0666, "$r->{dir}/s.sock";
	my $as = sub {
		my ($run, $group) = @_;
		my $pid = open(my $from, '-|') // die "fork: $!";
		if (!$pid) {
			$) = "$group $group";
			($(, $<, $>) = ($group, $uid, $uid);
			my ($status) = http_get("unix:$run->{dir}/s.sock", '/v1/version');
			print defined $status ? $status : "refused: $!";
			close STDOUT;
			POSIX::_exit(0);
		}
		my $said = <$from> // '';
		close $from;
		return $said;
	};
	is($as->($r, $gid), 403, 'another user is refused by its credentials');
	my $name = getgrgid $gid;
	$r = run_policy(qq{curfew.configure { control = { path = "s.sock", group = "$name" } }
		curfew.server { name = "s", start = function() end, stop = function() end }});
	chmod 0711, "$r->{dir}";
	is($as->($r, $gid), 200, 'a member of the group is answered');
	like($as->($r, $gid + 1 > 65534 ? 65000 : $gid + 1), qr/^(?:403|refused)/, 'who is none is not');
}

my $page = slurp("$FindBin::Bin/../../man/curfew-control.7");
my @undocumented = grep { $page !~ /^\.(?:Va|Pq Va) \Q$_\E\b/m } sort keys %seen;
is("@undocumented", '', 'every field of every answer is in curfew-control(7)');
ok(keys %seen > 40, 'there were many');
done_testing;
