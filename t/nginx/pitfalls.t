#!/usr/bin/perl
# pitfalls.t: what goes wrong in a module that knows nginx less well, each against real nginx.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Http2;
use Nginx;
use Test::More;
use Time::HiRes qw(time);

Nginx::require_module();
my $prelude = Nginx::prelude();
my $hooks = <<"L";
$prelude
mark "here"
nginx:pre_stop(function(ctx) mark "pre" curfew.sleep "20ms" end)
nginx:post_stop(function(ctx) mark "post" end)
L
my $go = <<"L";
$prelude
nginx:pre_stop(function(ctx)
	mark "pre"
	while not curfew.fs.exists(os.getenv "CURFEW_TEST" .. "/go") do curfew.sleep "5ms" end
end)
nginx:post_stop(function(ctx) mark "post" end)
L

sub conn { my ($n) = @_; return connect_to("127.0.0.1:$n->{port}") }
# One request on a connection that is kept: its head, or undef when it ended.
sub ask {
	my ($s, $path) = @_;
	syswrite $s, "GET $path HTTP/1.1\r\nHost: x\r\n\r\n" or return;
	my $in = '';
	until ($in =~ /\r\n\r\n/) {
		sysread $s, $in, 65536, length $in or return;
	}
	return $in;
}

subtest 'helper processes' => sub {
	my $n = nginx(policy => $hooks, http => 'proxy_cache_path CACHE keys_zone=z:1m loader_files=1; proxy_cache z;', unstarted => 1);
	my $conf = slurp("$n->{dir}/nginx.conf");
	spew("$n->{dir}/nginx.conf", $conf =~ s/CACHE/$n->{dir}\/cache/r);
	$n->start;
	ok(wait_until(sub { grep { (slurp("/proc/$_/cmdline") // '') =~ /cache manager/ } $n->family }), 'a cache manager runs');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	is_deeply([ $n->marks ], [qw(here pre post)], 'policies are for workers only');
	$n->sound;
};

subtest 'without a master' => sub {
	for my $sig (qw(QUIT TERM)) {
		my $n = nginx(single => 1, policy => $hooks, curfew => "curfew_term graceful;\ncurfew_mode master;\ncurfew_exit_timeout 20s;\n");
		like(scalar $n->get('/state'), qr/^started/, "$sig: it serves with the policy");
		my $slow = conn($n);
		print $slow "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
		sysread $slow, my $some, 100;
		$n->signal($sig);
		$n->wait_marks(qr/^pre/);
		my $got = length $some;
		while (my $k = sysread $slow, my $buf, 65536) { $got += $k }
		cmp_ok($got, '>', 4 << 20, 'what was under way is served to its end, which nginx alone does not do');
		is($n->wait_exit, 0, 'it ends');
		is_deeply([ $n->marks ], [qw(here pre post)], 'with its hooks') or diag $n->log;
		unlike($n->log, qr/open socket|signal 11/, 'and no alert');
	}
};

subtest 'debug logs' => sub {
	my $n = nginx(workers => 2, level => 'debug', policy => $hooks);
	$n->get('/hello');
	my $s = conn($n);
	ask($s, '/hello');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'print what events belong to');
	is(scalar(grep { $_ eq 'post' } $n->marks), 2, 'and hooks run');
	$n->sound;
};

subtest 'when connections run out' => sub {
	my $n = nginx(policy => <<"L", events => 'worker_connections 12;', unstarted => 1);
$prelude
nginx:pre_stop(function(ctx)
	local tasks = {}
	for i = 1, 20 do
		tasks[i] = curfew.spawn(function()
			local r, why = curfew.exec { "sh", "-c", "exit 3" }
			return r and r.code == 3 and curfew.fs.exists "/" or error(why or "no")
		end)
	end
	curfew.all(tasks)
	mark "pre"
end)
L
	my $conf = slurp("$n->{dir}/nginx.conf");
	spew("$n->{dir}/nginx.conf", $conf =~ s/worker_connections 512; //r);
	$n->start;
	my @held = map { conn($n) } 1 .. 30;
	$n->wait_log(qr/worker_connections are not enough|reusing connections/);
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop goes well');
	is_deeply([ $n->marks ], ['pre'], 'with twenty programs at once: all of them are one descriptor to nginx') or diag $n->log;
	$n->sound;
};

subtest 'HTTP/2' => sub {
	my $n = nginx(policy => $go, curfew => "curfew_exit_timeout 20s;\n", unstarted => 1);
	$n->write_conf(listen => "listen 127.0.0.1:$n->{port} http2;");
	my ($rc, $out) = $n->command('-t');
	plan skip_all => 'this nginx is built without it' if $rc && $out =~ /http2/;
	$n->{http2} = 1;
	$n->start;
	my ($busy, $kept, $idle) = map { Http2->new($n->{port}) } 1 .. 3;
	ok($_->is_served($_->ask('/hello')), 'a connection serves') for $busy, $kept, $idle;
	my $slow = $busy->ask('/slow');
	$busy->until(sub { exists $busy->{status}{$slow} });
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/);
	ok($kept->is_served($kept->ask('/hello')), 'lame duck: the first request after the stop has begun is served');
	my $last = $kept->ask('/hello');
	ok($kept->is_served($last), 'and so is the next');
	ok($kept->until(sub { @{ $_[0]{goaway} } }), 'which is told to go elsewhere');
	is_deeply($kept->{goaway}, [ [ $last, 0 ] ], 'without an error, and with nothing lost');
	my $other = Http2->new($n->{port});
	ok($other && $other->is_served($other->ask('/hello')), 'where it is let in');
	spew("$n->{dir}/go", '');
	ok($busy->is_served($slow), 'what is under way is served to its end');
	$_->until(sub { $_[0]{closed} }) for $busy, $idle;
	is_deeply([ map { $_->[1] } @{ $busy->{goaway} }, @{ $idle->{goaway} } ], [ 0, 0 ], 'who is idle is told to go, not cut off');
	is($n->wait_exit, 0, 'and the stop ends');
	is(($n->marks)[1], 'post', 'with post_stop');
	$n->sound;
};

subtest 'idle connections' => sub {
	my $n = nginx(policy => $go, curfew => "curfew_exit_timeout 20s;\n");
	my ($kept, $fresh, $late) = (conn($n), conn($n), conn($n));
	like(ask($kept, '/hello'), qr/keep-alive/i, 'one is kept alive');
	like(ask($late, '/hello'), qr/keep-alive/i, 'so is another');
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/);
	like(ask($late, '/hello'), qr/^Connection: close/mi, 'lame duck: its next reply ends it');
	is(sysread($late, my $more, 10), 0, 'it does');
	spew("$n->{dir}/go", '');
	$n->wait_log(qr/gracefully shutting down/);
	my $began = time;
	is($n->wait_exit, 0, 'who is idle, and who never said a word, hold up nobody');
	cmp_ok(time - $began, '<', 15, 'and are not what the exit timeout ends');
	is(($n->marks)[1], 'post', 'post_stop has run');
	$n->sound;
};

subtest 'a request at the very moment of the close' => sub {
	my $n = nginx(policy => $hooks, curfew => "curfew_exit_timeout 20s;\n");
	my @kept = map { conn($n) } 1 .. 20;
	like(ask($_, '/hello'), qr/keep-alive/i, 'kept alive') for @kept[ 0, 1 ];
	ask($_, '/hello') for @kept[ 2 .. 19 ];
	$n->signal('QUIT');
	$n->wait_log(qr/gracefully shutting down/);
	my $served = grep { (ask($_, '/hello') // '') =~ /^HTTP\/1.1 200/ } @kept;
	is($served, 20, 'S9.2: is served for 100 ms more') or diag $n->log;
	is($n->wait_exit, 0, 'then all ends');
	$n->sound;
};

subtest 'who is in the queue of the kernel' => sub {
	# The hook blocks the loop in C: what connects meanwhile is not let in before the listener closes, in the same turn.
	my $n = nginx(curfew => "curfew_exit_timeout 20s;\n", policy => <<"L");
$prelude
nginx:pre_stop(function() mark "pre" io.open(os.getenv "CURFEW_TEST" .. "/fifo"):close() end)
L
	POSIX::mkfifo("$n->{dir}/fifo", 0600);
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/);
	my @waiting = map { conn($n) } 1 .. 50;
	syswrite $_, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" for @waiting;
	spew("$n->{dir}/fifo", '');
	my $served = 0;
	for my $s (@waiting) {
		my $in = '';
		while (sysread $s, $in, 65536, length $in) { }
		$served++ if $in =~ /^HTTP\/1.1 200.*hello/s;
	}
	is($served, 50, 'is served when the listener closes');
	is($n->wait_exit, 0, 'nginx ends');
	$n->sound;
};

subtest 'lame duck off' => sub {
	my $n = nginx(policy => $go, curfew => "curfew_lame_duck off;\n");
	my $kept = conn($n);
	ask($kept, '/hello');
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/);
	like(ask($kept, '/hello'), qr/keep-alive/i, 'connections are kept as ever');
	spew("$n->{dir}/go", '');
	is($n->wait_exit, 0, 'and closed at the end');
	$n->sound;
};

subtest 'worker_shutdown_timeout' => sub {
	my $n = nginx(policy => $hooks, curfew => "curfew_exit_timeout 30s;\n", main => "worker_shutdown_timeout 1s;\n",
		server => 'location = /slower { limit_rate 10k; alias html/big; }');
	my $slow = conn($n);
	print $slow "GET /slower HTTP/1.1\r\nHost: x\r\n\r\n";
	sysread $slow, my $some, 100;
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'cuts connections');
	is_deeply([ $n->marks ], [qw(here pre post)], 'and hooks run before and after');
	$n->sound;
};

subtest 'children that nginx does not know' => sub {
	my $n = nginx(policy => <<"L");
$prelude
curfew.every("1ms", function()
	local r, why = curfew.exec { "sh", "-c", "exit 7" }
	mark("%s", r and tostring(r.code) or why)
end)
L
	$n->wait_marks(qr/./, 100);
	my %codes = map { $_ => 1 } $n->marks;
	is_deeply([ keys %codes ], ['7'], 'are reaped by who started them, in a hundred runs');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	$n->sound;
};

subtest 'many short lives' => sub {
	my $n = nginx(workers => 2, policy => $hooks);
	my $rounds = 10; # bench/nginx has 200
	for (1 .. $rounds) {
		my ($one) = $n->workers;
		kill 'QUIT', $one;
		ok(wait_until(sub { my @w = $n->workers; @w == 2 and !grep { $_ == $one } @w }), "QUIT $_ to a worker") or last;
	}
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	my %count;
	$count{$_}++ for $n->marks;
	is_deeply(\%count, { map { $_ => $rounds + 2 } qw(here pre post) }, 'each hook once a worker');
	$n->sound;
};

subtest 'a QUIT while it starts' => sub {
	for my $delay (0, 0.002, 0.005, 0.01, 0.02, 0.04) {
		my $n = nginx(workers => 2, unstarted => 1, policy => $hooks, curfew => "curfew_mode master;\ncurfew_term graceful;\n");
		no warnings 'redefine';
		local *Nginx::get = sub { 1 };
		$n->start;
		ok(wait_until(sub { $n->master or $n->gone }), 'it writes its pid');
		select undef, undef, undef, $delay;
		$n->signal($delay == 0 ? 'TERM' : 'QUIT');
		is($n->wait_exit, 0, 'ends it');
		my %count = (pre => 0, post => 0);
		$count{$_}++ for $n->marks;
		cmp_ok($count{pre}, '<=', $count{here} // 0, 'no hook runs more than once a worker');
		unlike($n->log, qr/signal 11/, 'nothing crashed');
	}
};

done_testing;
