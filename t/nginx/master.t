#!/usr/bin/perl
# master.t: curfew_mode master: all workers run their pre_stop hooks before any of them closes a listener; ctx.leader.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Nginx;
use Test::More;

Nginx::require_module();
my $prelude = Nginx::prelude();
my $mode = "curfew_mode master;\ncurfew_exit_timeout 30s;\n";
# The first worker to come is done at once, the others wait for the file "go".
my $held = <<"L";
$prelude
nginx:pre_stop(function(ctx)
	mark "pre"
	if ctx.leader then mark("leads %d", io.open "/proc/self/stat":read "n") return end
	while not curfew.fs.exists(os.getenv "CURFEW_TEST" .. "/go") do curfew.sleep "10ms" end
	mark "waited"
end)
nginx:post_stop(function(ctx) mark(ctx.leader and "post leads" or "post") end)
L

subtest 'one leads, and none goes before all are done' => sub {
	my $n = nginx(workers => 3, curfew => $mode, policy => $held);
	my @workers = $n->workers;
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/, 3);
	$n->wait_marks(qr/^leads/);
	unlike($n->log, qr/gracefully shutting down/, 'the one that is done goes on serving');
	is(($n->get('/hello'))[0], 200, 'listeners are open') for 1 .. 5;
	is_deeply([ $n->workers ], \@workers, 'nobody has gone');
	spew("$n->{dir}/go", '');
	is($n->wait_exit, 0, 'then nginx ends');
	is(scalar(grep { $_ eq 'pre' } $n->marks), 3, 'pre_stop once a worker');
	is(scalar(grep { /^leads/ } $n->marks), 1, 'ctx.leader in one');
	is(scalar(grep { $_ eq 'post' } $n->marks), 2, 'post_stop in all');
	is(scalar(grep { $_ eq 'post leads' } $n->marks), 1, 'the same leads');
	$n->sound;
};

subtest 'a worker that dies meanwhile' => sub {
	my $n = nginx(workers => 2, curfew => $mode, policy => $held);
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/, 2);
	$n->wait_marks(qr/^leads/);
	my ($one) = map { /^leads (\d+)/ } $n->marks;
	kill 'KILL', $one;
	ok(wait_until(sub { my @w = $n->workers; @w == 2 and !grep { $_ == $one } @w }), 'is replaced, as the master is not yet at its end');
	spew("$n->{dir}/go", '');
	is($n->wait_exit, 0, 'and nobody waits for it');
};

subtest 'HUP meanwhile' => sub {
	my $n = nginx(workers => 2, curfew => $mode, policy => $held);
	$n->signal('QUIT');
	$n->wait_marks(qr/^pre/, 2);
	my @workers = $n->workers;
	$n->signal('HUP') for 1 .. 3;
	$n->wait_log(qr/a stop has begun: no reload/);
	is_deeply([ $n->workers ], \@workers, 'starts nothing new');
	spew("$n->{dir}/go", '');
	is($n->wait_exit, 0, 'nginx ends');
	is(scalar(grep { $_ eq 'pre' } $n->marks), 2, 'pre_stop once a worker');
	$n->sound;
};

subtest 'signals in a burst' => sub {
	my $n = nginx(workers => 2, curfew => $mode . "curfew_term graceful;\n", policy => <<"L");
$prelude
nginx:pre_stop(function(ctx) mark "pre" curfew.sleep "20ms" end)
nginx:post_stop(function(ctx) mark "post" end)
L
	for (1 .. 50) {
		kill $_, $n->{pid} for qw(CHLD IO USR1 ALRM);
	}
	$n->signal('QUIT');
	$n->wait_log(qr/all workers are asked to stop/); # a HUP that comes with the QUIT may be the first of the two
	for (1 .. 50) {
		kill $_, $n->{pid} for qw(HUP CHLD IO ALRM);
	}
	is($n->wait_exit, 0, 'nginx ends');
	is_deeply([ sort $n->marks ], [ sort(('pre', 'post') x 2) ], 'with each hook once a worker') or diag $n->log;
	$n->sound;
};

subtest 'QUIT twice' => sub {
	my $n = nginx(workers => 2, curfew => $mode, policy => $held);
	$n->signal('QUIT');
	$n->wait_marks(qr/^leads/);
	$n->wait_marks(qr/^pre/, 2);
	$n->signal('QUIT');
	$n->wait_marks(qr/^post leads/);
	pass('nobody waits for another any more');
	spew("$n->{dir}/go", '');
	is($n->wait_exit, 0, 'nginx ends');
	is(scalar(grep { $_ eq 'pre' } $n->marks), 2, 'pre_stop once a worker');
	$n->sound;
};

subtest 'a policy that does not answer' => sub {
	my $n = nginx(workers => 1, curfew => "curfew_mode master;\ncurfew_exit_timeout 1s;\n", policy => <<"L");
$prelude
nginx:pre_stop(function(ctx) mark "pre" curfew.sleep "1h" end)
L
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'is waited for until its end');
	is_deeply([ $n->marks ], ['pre'], 'and not asked anew');
};

subtest 'a leader that has left' => sub {
	my $n = nginx(workers => 2, curfew => "curfew_exit_timeout 30s;\n", policy => <<"L");
$prelude
nginx:pre_stop(function(ctx) mark(ctx.leader and "leads" or "follows") end)
nginx:post_stop(function(ctx)
	while not ctx.leader and not curfew.fs.exists(os.getenv "CURFEW_TEST" .. "/go") do curfew.sleep "10ms" end
	mark(ctx.leader and "post leads" or "post follows")
end)
L
	my ($one) = $n->workers;
	kill 'QUIT', $one;
	$n->wait_marks(qr/^post leads/);
	ok(wait_until(sub { my @w = $n->workers; @w == 2 and !grep { $_ == $one } @w }), 'a stop of its own');
	$n->wait_log(qr/worker process $one exited/);
	$n->signal('QUIT');
	$n->wait_marks(qr/^post leads/, 2);
	$n->wait_log(qr/worker process (?!$one)\d+ exited/);
	spew("$n->{dir}/go", '');
	is($n->wait_exit, 0, 'and one of all');
	is_deeply([ sort $n->marks ], [ 'follows', 'leads', 'leads', 'post follows', 'post leads', 'post leads' ],
		'one leads in each, and nobody after it has gone') or diag $n->log;
	$n->sound;
};

subtest 'leaders of worker mode' => sub {
	my $n = nginx(workers => 4, policy => "$prelude\ncurfew.pre_stop(function(ctx) mark(ctx.leader and 'leads' or 'follows') end)\n");
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'nginx ends');
	is_deeply([ sort $n->marks ], [ 'follows', 'follows', 'follows', 'leads' ], 'one of four');
	$n->sound;
};

done_testing;
