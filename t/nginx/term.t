#!/usr/bin/perl
# term.t: TERM is fast, with its hooks as far as the master's patience goes, or graceful.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Nginx;
use Test::More;
use Time::HiRes qw(time);

Nginx::require_module();
my $prelude = Nginx::prelude();
my $hooks = <<"L";
$prelude
nginx:pre_stop(function(ctx) mark("pre %s %s", ctx.trigger.name, ctx.mode) curfew.sleep "50ms" mark "pre done" end)
nginx:post_stop(function(ctx) mark "post" end)
L

subtest 'fast' => sub {
	my $n = nginx(workers => 2, policy => $hooks);
	my $slow = connect_to("127.0.0.1:$n->{port}");
	print $slow "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $slow, my $some, 100;
	$n->signal('TERM');
	is($n->wait_exit, 0, 'nginx ends');
	is_deeply([ sort $n->marks ], [ sort(('pre SIGTERM abort', 'pre done') x 2) ], 'pre_stop hooks have run, once a worker, and no others') or diag $n->log;
	my $got = 0;
	while (my $k = sysread $slow, my $buf, 65536) { $got += $k }
	cmp_ok($got, '<', 4 << 20, 'what was under way is cut');
	$n->sound;
};

subtest 'fast, and a hook that takes too long' => sub {
	my $n = nginx(policy => "$prelude\nnginx:pre_stop(function(ctx) mark 'pre' curfew.sleep '1h' end)\n");
	$n->signal('TERM');
	is($n->wait_exit, 0, 'nginx ends');
	is_deeply([ $n->marks ], ['pre'], 'the hook has begun');
	like($n->log, qr/hooks are cut off: the master waits no longer/, 'and is cut off');
	$n->sound('before the master kills');
};

# From 1.55 s on the master kills whoever is left as soon as it hears of anything, such as the end of a worker.
subtest 'fast, and one that ends late' => sub {
	my $n = nginx(workers => 2, policy => "$prelude\nnginx:pre_stop(function(ctx) curfew.sleep(ctx.leader and '1800ms' or '1h') end)\n");
	$n->signal('TERM');
	is($n->wait_exit, 0, 'nginx ends');
	$n->sound('and the master has killed nobody');
};

subtest 'graceful' => sub {
	for my $mode (qw(worker master)) {
		my $n = nginx(workers => 2, curfew => "curfew_exit_timeout 20s;\ncurfew_term graceful;\ncurfew_mode $mode;\n", policy => $hooks);
		my $slow = connect_to("127.0.0.1:$n->{port}");
		print $slow "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
		sysread $slow, my $some, 100;
		$n->signal('TERM');
		my $got = length $some;
		while (my $k = sysread $slow, my $buf, 65536) { $got += $k }
		cmp_ok($got, '>', 4 << 20, "$mode: what was under way is served to its end");
		is($n->wait_exit, 0, 'nginx ends');
		is_deeply([ sort $n->marks ], [ sort(('pre SIGQUIT graceful', 'pre done', 'post') x 2) ], 'all hooks have run, once a worker') or diag $n->log;
		$n->sound;
	}
};

subtest 'graceful, twice' => sub {
	for my $mode (qw(worker master)) {
		my $n = nginx(curfew => "curfew_exit_timeout 60s;\ncurfew_term graceful;\ncurfew_mode $mode;\n", policy => <<"L");
$prelude
nginx:pre_stop(function(ctx) mark("pre %s", ctx.mode) curfew.sleep "1h" end)
L
		$n->signal('TERM');
		$n->wait_marks(qr/^pre/);
		$n->signal('TERM');
		is($n->wait_exit, 0, "$mode: the second one ends it at once");
		is_deeply([ $n->marks ], ['pre graceful'], 'no hook begins twice');
		$n->sound;
	}
};

subtest 'INT' => sub {
	my $n = nginx(curfew => "curfew_term graceful;\n", policy => $hooks);
	$n->signal('INT');
	is($n->wait_exit, 0, 'is fast, as ever');
	is_deeply([ $n->marks ], [ 'pre SIGTERM abort', 'pre done' ], 'with its hooks') or diag $n->log;
	$n->sound;
};

subtest 'one worker alone' => sub {
	my $n = nginx(policy => $hooks, curfew => "curfew_term graceful;\n");
	my ($one) = $n->workers;
	kill 'TERM', $one;
	$n->wait_marks(qr/^post/);
	ok(wait_until(sub { my ($w) = $n->workers; $w and $w != $one }), 'the master starts another');
	is_deeply([ $n->marks ], [ 'pre SIGTERM graceful', 'pre done', 'post' ], 'graceful where it is mapped');
	($one) = $n->workers;
	ok(wait_until(sub { ($n->get('/state'))[0] }), 'it serves');
	kill 'INT', $one;
	$n->wait_marks(qr/^pre SIGINT abort/);
	ok(wait_until(sub { my ($w) = $n->workers; $w and $w != $one }), 'INT is fast');
	$n->signal('QUIT');
	$n->wait_exit;
	$n->sound;
};

subtest 'the policy decides' => sub {
	my $n = nginx(policy => <<"L");
$prelude
curfew.on("SIGQUIT", function(t) mark("asked %d", t.count) if t.count == 1 then return curfew.ignore end end)
nginx:pre_stop(function(ctx) mark("pre %s", ctx.trigger.name) end)
L
	my ($one) = $n->workers;
	kill 'QUIT', $one;
	$n->wait_marks(qr/^asked/);
	is(($n->get('/hello'))[0], 200, 'a worker ignores a QUIT when its policy says so');
	kill 'QUIT', $one;
	ok(wait_until(sub { my ($w) = $n->workers; $w and $w != $one }), 'and leaves when it does not');
	is_deeply([ $n->marks ], [ 'asked 1', 'asked 2', 'pre SIGQUIT' ], 'by its rules');
	$n->signal('TERM');
	$n->wait_exit;
	$n->sound;
};

done_testing;
