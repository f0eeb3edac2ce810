#!/usr/bin/perl
# worker.t: a stop inside real nginx (worker mode): pre_stop with the listeners open, post_stop when the worker has drained, the end
# bounded, lame duck, what scripts can wait on.
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

subtest 'nginx -s quit' => sub {
	my $n = nginx(workers => 2, curfew => "curfew_exit_timeout 20s;\n", policy => <<"L");
$prelude
nginx:pre_stop(function(ctx)
	mark("pre %s %s", ctx.trigger.name, curfew.state)
	while not curfew.fs.exists(os.getenv "CURFEW_TEST" .. "/go") do curfew.sleep "10ms" end
end)
nginx:post_stop(function(ctx) curfew.sleep "50ms" mark("post %s %s", ctx.result, ctx.trigger.name) end)
curfew.post_stop(function() mark "over" end)
L
	my @workers = $n->workers;
	is(scalar @workers, 2, 'two workers');
	like(scalar $n->get('/state'), qr/^started \d+$/, '$curfew_state');
	like(scalar $n->get('/status'), qr/^\{.*"state": ?"started".*"nginx".*\}\n$/s, 'curfew_status is JSON');
	my $slow = connect_to("127.0.0.1:$n->{port}");
	print $slow "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $slow, my $some, 100;
	my ($code) = $n->command('-s', 'quit');
	is($code, 0, '-s quit');
	$n->wait_marks(qr/^pre/, 2);
	is_deeply([ $n->marks ], [ ('pre SIGQUIT stopping') x 2 ], 'pre_stop runs in each worker');
	my ($status, $body, $head) = $n->get('/state');
	is($status, 200, 'with the listeners open');
	like($body // '', qr/^stopping/, 'the state is told');
	like($head // '', qr/^Connection: close/mi, 'lame duck: the connection ends after the reply');
	like(scalar $n->get('/status'), qr/"stopping"/, 'so says the status');
	is_deeply([ $n->workers ], \@workers, 'both live');
	spew("$n->{dir}/go", '');
	ok(wait_until(sub { !connect_to("127.0.0.1:$n->{port}") }), 'then the listeners close');
	$n->wait_marks(qr/^over/, 1);
	is(scalar(grep { /^over/ } $n->marks), 1, 'a worker waits for its request') or diag join "\n", $n->marks;
	my $got = length $some;
	while (my $k = sysread $slow, my $buf, 65536) { $got += $k }
	cmp_ok($got, '>', 4 << 20, 'which is served to its end');
	is($n->wait_exit, 0, 'nginx ends with 0');
	is_deeply([ sort $n->marks ], [ sort(('pre SIGQUIT stopping', 'post stopped SIGQUIT', 'over') x 2) ], 'post_stop once a worker');
	$n->sound;
};

subtest 'a QUIT that one worker alone is sent' => sub {
	my $n = nginx(policy => <<"L");
$prelude
curfew.pre_stop(function(ctx) mark("pre %s", ctx.trigger.name) end)
curfew.post_stop(function(ctx) mark "post" end)
L
	my ($one) = $n->workers;
	kill 'QUIT', $one;
	ok(wait_until(sub { my ($w) = $n->workers; $w and $w != $one }), 'the master starts another');
	$n->wait_marks(qr/^post/);
	is_deeply([ $n->marks ], [ 'pre SIGQUIT', 'post' ], 'its hooks have run, once');
	is(($n->get('/hello'))[0], 200, 'and nginx serves on');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'QUIT to the master ends it');
	is_deeply([ $n->marks ], [ ('pre SIGQUIT', 'post') x 2 ], 'hooks once a worker');
	$n->sound;
};

subtest 'the end is bounded' => sub {
	my $n = nginx(curfew => "curfew_exit_timeout 1s;\n", policy => <<"L");
$prelude
nginx:pre_stop(function() mark "waits" curfew.sleep "1h" end)
L
	my $slow = connect_to("127.0.0.1:$n->{port}");
	print $slow "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a hook that waits for an hour is cut off');
	like($n->log, qr/exit code 255/, 'and told');
	$n->sound;

	$n = nginx(curfew => "curfew_exit_timeout 1s;\n", policy => $prelude, server => 'location = /slower { limit_rate 100k; alias html/big; }');
	$slow = connect_to("127.0.0.1:$n->{port}");
	print $slow "GET /slower HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $slow, my $some, 100;
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'so is a request that takes too long');
	like($n->log, qr/exit code 255/, 'and told');
	$n->sound;
};

subtest 'a worker that is blocked in C' => sub {
	my $n = nginx(curfew => "curfew_exit_timeout 1s;\n", policy => <<"L");
$prelude
nginx:pre_stop(function() io.open(os.getenv "CURFEW_TEST" .. "/nobody") end)
L
	POSIX::mkfifo("$n->{dir}/nobody", 0600);
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'is killed by the kernel, S4.8');
	like($n->log, qr/exited on signal 9/, 'which the master tells');
};

subtest 'what a script can wait on' => sub {
	my $n = nginx(curfew => "curfew_exit_timeout 20s;\n", policy => <<"L");
$prelude
local dir = os.getenv "CURFEW_TEST"
local port = PORT
nginx:pre_stop(function()
	local r, why = curfew.exec { "sh", "-c", "echo out; exit 3" }
	mark("exec %s %s", r and r.code or why, r and r.stdout:gsub("\\n", "") or "")
	local f
	f, why = curfew.fetch("http://127.0.0.1:" .. port .. "/hello")
	mark("fetch %s", f and f.status or why)
	mark("fs %s %s", curfew.fs.write(dir .. "/file", "text"), curfew.fs.read(dir .. "/file"))
	local tasks = curfew.all { curfew.spawn(function() curfew.sleep "10ms" return 1 end), curfew.spawn(function() return 2 end) }
	mark("tasks %d %d", tasks[1], tasks[2])
	mark("timeout %s", select(3, curfew.timeout("10ms", function() curfew.sleep "1h" end)))
	local p = io.popen "echo popen"
	mark("%s", p:read "l")
	p:close()
	mark("execute %s", tostring(os.execute "true"))
end)
nginx:post_stop(function()
	local r, why = curfew.exec { "sh", "-c", "exit 4" }
	mark("post exec %s", r and r.code or why)
end)
L
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	is_deeply([ $n->marks ],
		[ 'exec 3 out', 'fetch 200', 'fs true text', 'tasks 1 2', 'timeout ETIMEDOUT', 'popen', 'execute true', 'post exec 4' ],
		'each works inside of the worker, before and after the drain')
		or diag $n->log;
	$n->sound;
};

subtest 'processes of the policy' => sub {
	my $n = nginx(policy => <<"L");
$prelude
curfew.process { name = "side", command = { "sleep", "1234" }, stop = { { signal = "TERM", wait = "5s" } } }
local side = curfew.find "side"
side:post_start(function() mark("side %d", side.pid) end)
side:post_stop(function(ctx) mark("side %s", ctx.result) end)
L
	$n->wait_marks(qr/^side \d+/);
	my ($pid) = ($n->marks)[0] =~ /(\d+)/;
	ok(kill(0, $pid), 'run beside each worker');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'and are stopped with it');
	ok(!kill(0, $pid), 'before it ends');
	is(($n->marks)[1], 'side stopped', 'with their hooks');
	$n->sound;
};

subtest 'what fails in a policy costs no client its connection' => sub {
	my $n = nginx(policy => <<"L");
$prelude
local function once_started(f)
	while curfew.state ~= "started" do curfew.sleep "1ms" end
	return f()
end
curfew.spawn(once_started, function() curfew.after("1ms", function() error "in a timer" end) end)
curfew.spawn(once_started, function() error "in a task" end)
L
	my @workers = $n->workers;
	$n->wait_log(qr/in a timer/);
	$n->wait_log(qr/in a task/);
	is(($n->get('/hello'))[0], 200, 'errors in timers and tasks are logged');
	is_deeply([ $n->workers ], \@workers, 'and end no worker');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'and the stop goes well');

	$n = nginx(policy => "error 'at once'\n");
	$n->wait_log(qr/at once/);
	@workers = $n->workers;
	is(($n->get('/hello'))[0], 200, 'a policy that fails as it runs: nginx serves without it');
	like(scalar $n->get('/state'), qr/^none /, '$curfew_state is that of no policy');
	is(scalar $n->get('/status'), qq({"state":"none"}\n), 'so is the status');
	is_deeply([ $n->workers ], \@workers, 'by the same worker');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'and stops');

	$n = nginx(policy => <<"L");
curfew = require "curfew"
curfew.process { name = "no", command = { "/nonexistent" } }
L
	$n->wait_log(qr/failed to start: this worker serves on/);
	@workers = $n->workers;
	is(($n->get('/hello'))[0], 200, 'so it does where a server of the policy does not start');
	ok(wait_until(sub { $n->get('/state') =~ /^none / }), 'without the policy');
	is_deeply([ $n->workers ], \@workers, 'by the same worker');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'and stops');
};

subtest 'a process of the policy that ends by itself' => sub {
	my $policy = <<"L";
$prelude
curfew.process { name = "side", command = { "sh", "-c", "until test -e go; do sleep 0.01; done; exit 3" },
	cwd = os.getenv "CURFEW_TEST" }
L
	my $n = nginx(policy => $policy . <<"L");
local times = 0
local later = curfew.server { name = "later", start = function() times = times + 1 if times > 1 then error "not twice" end end }
nginx:pre_stop(function() mark "pre" end)
curfew.on("closed", function(t) mark("closed %s %d", t.server.name, t.code) end)
curfew.on("start_failed", function(t) mark("start_failed %s", t.server.name) end)
curfew.on("custom:go", function() curfew.spawn(function() pcall(later.restart, later) end) return curfew.ignore end)
curfew.spawn(function() while not curfew.fs.exists(os.getenv "CURFEW_TEST" .. "/go") do curfew.sleep "10ms" end
	curfew.trigger "custom:go" end)
L
	my @workers = $n->workers;
	my $client = connect_to("127.0.0.1:$n->{port}");
	spew("$n->{dir}/go", '');
	$n->wait_marks(qr/^closed side 3/);
	$n->wait_marks(qr/^start_failed later/);
	$n->wait_log(qr/error\] .*side: ended by itself, code 3/);
	$n->wait_log(qr/error\] .*later: failed to start/);
	print $client "GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	like(join('', <$client>), qr/^HTTP\/1\.1 200/, 'costs no client its connection');
	is_deeply([ $n->workers ], \@workers, 'and ends no worker, nor does one that fails to start later');
	like(scalar $n->get('/state'), qr/^started /, 'which has its policy');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'it stops');
	is(scalar(grep { $_ eq 'pre' } $n->marks), 1, 'with its hooks, once');
	$n->sound;

	$n = nginx(policy => $policy . 'curfew.on("closed", curfew.graceful(4))' . "\n");
	@workers = $n->workers;
	spew("$n->{dir}/go", '');
	$n->wait_log(qr/curfew: exit code 4/);
	ok(wait_until(sub { my ($now) = $n->workers; $now && $now != $workers[0] }), 'a rule for it ends the worker: another is started');
	unlink "$n->{dir}/go";
	$n->signal('TERM');
	is($n->wait_exit, 0, 'and all ends');
};

# The health check of the page, as it stands there.
subtest 'ready' => sub {
	my ($ready) = slurp("$FindBin::Bin/../../man/curfew-nginx.7") =~ /^(location = \/ready \{\n.*?^\}\n)/ms;
	ok($ready, 'the page has it') or return;
	my $n = nginx(server => $ready, policy => <<"L");
$prelude
nginx:pre_stop(function() mark "pre" while not curfew.fs.exists(os.getenv "CURFEW_TEST" .. "/go") do curfew.sleep "10ms" end end)
L
	ok(wait_until(sub { (($n->get('/ready'))[0] // 0) == 200 }), 'a worker that has started is ready');
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/);
	is(($n->get('/ready'))[0], 503, 'one that stops is not');
	spew("$n->{dir}/go", '');
	is($n->wait_exit, 0, 'and ends');
	for my $without ({ policy => "error 'at once'\n" }, {}) {
		$n = nginx(server => $ready, %$without);
		ok(wait_until(sub { (($n->get('/ready'))[0] // 0) == 200 }), 'one without a policy is ready: nginx serves');
		$n->signal('QUIT');
		is($n->wait_exit, 0, 'and ends');
	}
};

# What a policy does to the server of nginx alone is the end of that worker: a process that serves nobody is of no use.
for my $what ('curfew.stop { exit = false }', 'nginx:restart()', 'nginx:stop()') {
	subtest $what => sub {
		my $n = nginx(workers => 1, policy => Nginx::prelude() . "curfew.spawn(function() repeat curfew.sleep '10ms' until curfew.fs.exists(os.getenv 'CURFEW_TEST' .. '/go') mark 'goes' $what end)\n");
		my ($one) = $n->workers;
		spew("$n->{dir}/go", '');
		$n->wait_marks(qr/^goes/);
		ok(wait_until(sub { !grep { $_ == $one } $n->workers }), 'the worker ends') or diag $n->log;
		unlink "$n->{dir}/go";
		ok(wait_until(sub { my ($two) = $n->workers; $two && $two != $one && ($n->get('/hello'))[0] == 200 }), 'the master starts another');
		$n->signal('QUIT');
		is($n->wait_exit, 0, 'and all end');
	};
}
subtest 'a worker that serves without its policy' => sub {
	my $n = nginx(workers => 1, policy => "error 'boom'\n");
	for my $signal (qw(QUIT TERM INT)) {
		my ($one) = $n->workers;
		kill $signal, $one;
		ok(wait_until(sub { my ($two) = $n->workers; $two && $two != $one }), "hears $signal") or diag $n->log;
	}
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'and all end');
};
done_testing;
