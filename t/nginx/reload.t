#!/usr/bin/perl
# reload.t: HUP, a binary upgrade by USR2, watching; the module that comes and goes by a reload.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Nginx;
use Test::More;

Nginx::require_module();
my $prelude = Nginx::prelude();

sub policy {
	my ($word) = @_;
	return <<"L";
$prelude
nginx:pre_stop(function(ctx) mark "pre $word" end)
nginx:post_stop(function(ctx) mark "post $word" end)
mark "$word"
L
}
# Wait until all workers are other ones than these.
sub renewed {
	my ($n, @old) = @_;
	my %old = map { $_ => 1 } @old;
	return wait_until(sub { my @w = $n->workers; @w == $n->{workers} and !grep { $old{$_} } @w });
}

subtest 'HUP' => sub {
	my $n = nginx(workers => 2, policy => policy('one'));
	my @old = $n->workers;
	$n->wait_marks(qr/^one/, 2);
	$n->write_conf(policy => policy('two'));
	$n->signal('HUP');
	ok(renewed($n, @old), 'new workers');
	is_deeply([ sort grep { /^p/ } $n->marks ], [ ('post one') x 2, ('pre one') x 2 ], 'the old ones have stopped with the hooks that they began with');
	is(scalar(grep { $_ eq 'two' } $n->marks), 2, 'the new ones have the new policy');

	@old = $n->workers;
	$n->write_conf(policy => "local = 1\n");
	my ($code, $said) = $n->command('-s', 'reload');
	is($code, 1, 'nginx -s reload refuses a policy that does not compile') or diag $said;
	$n->signal('HUP');
	$n->wait_log(qr{\d+#\d+: curfew: \S+/policy\.lua:1: });
	is(($n->get('/hello'))[0], 200, 'so does HUP: nginx serves on');
	is_deeply([ $n->workers ], \@old, 'with the same workers');
	$n->write_conf(policy => policy('three'));
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	is(scalar(grep { $_ eq 'post two' } $n->marks), 2, 'runs the hooks of the policy in force');
	ok(!(grep { /three/ } $n->marks), 'not those of a file that nobody has loaded');
	unlike($n->log, qr/\[alert\]/, 'no alert');
};

subtest 'five reloads, in both modes' => sub {
	for my $mode (qw(worker master)) {
		my $n = nginx(workers => 2, curfew => "curfew_mode $mode;\n", policy => policy('x'));
		for (1 .. 5) {
			my @old = $n->workers;
			$n->signal('HUP');
			ok(renewed($n, @old), "$mode: reload $_");
		}
		$n->signal('QUIT');
		is($n->wait_exit, 0, 'a stop');
		my %count;
		$count{$_}++ for $n->marks;
		is_deeply(\%count, { x => 12, 'pre x' => 12, 'post x' => 12 }, 'each hook once a worker') or diag $n->log;
		$n->sound;
	}
};

subtest 'a leader among the old workers' => sub {
	my $n = nginx(workers => 3, policy => "$prelude\ncurfew.pre_stop(function(ctx) mark(ctx.leader and 'leads' or 'follows') end)\n");
	my @old = $n->workers;
	$n->signal('HUP');
	ok(renewed($n, @old), 'a reload');
	is_deeply([ sort $n->marks ], [qw(follows follows leads)], 'one of those that leave');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	is_deeply([ sort $n->marks ], [qw(follows follows follows follows leads leads)], 'and one of the others at their end');
	$n->sound;
};

subtest 'the module leaves by a reload' => sub {
	for my $gone (qw(policy module)) {
		my $n = nginx(workers => 2, curfew => "curfew_mode master;\ncurfew_term graceful;\n", policy => policy('one'));
		my @old = $n->workers;
		unlink "$n->{dir}/policy.lua";
		$n->write_conf(policy => undef, curfew => '', plain => $gone eq 'module');
		$n->signal('HUP');
		ok(renewed($n, @old), "without the $gone: new workers");
		is_deeply([ sort grep { /^p/ } $n->marks ], [ ('post one') x 2, ('pre one') x 2 ], 'the old ones have run their hooks');
		@old = $n->workers;
		kill 'KILL', $old[0];
		ok(wait_until(sub { my @w = $n->workers; @w == 2 and !grep { $_ == $old[0] } @w }), 'the master goes on');
		@old = $n->workers;
		$n->signal('HUP');
		ok(renewed($n, @old), 'reloads');
		# and what was there comes back, by a reload, into a master that has its handlers already
		$n->write_conf(policy => policy('two'), curfew => "curfew_mode master;\ncurfew_term graceful;\n", plain => 0);
		@old = $n->workers;
		$n->signal('HUP');
		ok(renewed($n, @old), 'and has the module again');
		$n->wait_marks(qr/^two/, 2);
		$n->signal('TERM');
		is($n->wait_exit, 0, 'TERM ends it');
		is(scalar(grep { $_ eq 'post two' } $n->marks), 2, 'gracefully');
		is(scalar(grep { $_ eq 'pre two' } $n->marks), 2, 'with all hooks once');
		unlike($n->log, qr/signal 11|open socket/, 'nothing crashed');

		# TERM after it has left is nginx's own
		$n = nginx(curfew => "curfew_mode master;\ncurfew_term graceful;\n", policy => policy('one'));
		@old = $n->workers;
		$n->write_conf(policy => undef, curfew => '', plain => $gone eq 'module');
		$n->signal('HUP');
		ok(renewed($n, @old), 'once more without');
		my $slow = connect_to("127.0.0.1:$n->{port}");
		print $slow "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
		sysread $slow, my $some, 100;
		$n->signal('TERM');
		is($n->wait_exit, 0, 'TERM ends it');
		my $got = length $some;
		while (my $k = sysread $slow, my $buf, 65536) { $got += $k }
		cmp_ok($got, '<', 4 << 20, 'at once');
		$n->sound;
	}
};

subtest 'the module comes by a reload' => sub {
	my $n = nginx(plain => 1);
	my @old = $n->workers;
	$n->write_conf(policy => policy('one'), curfew => "curfew_mode master;\ncurfew_term graceful;\n", plain => 0);
	$n->signal('HUP');
	ok(renewed($n, @old), 'new workers');
	$n->wait_marks(qr/^one/);
	$n->signal('TERM');
	is($n->wait_exit, 0, 'TERM ends it');
	is_deeply([ $n->marks ], [ 'one', 'pre one', 'post one' ], 'gracefully: the handlers are in place');
	like($n->log, qr/all workers are asked to stop/, 'all together');
	$n->sound;
};

subtest 'a binary upgrade' => sub {
	for my $mode (qw(worker master)) {
		my $n = nginx(workers => 2, daemon => 1, curfew => "curfew_mode $mode;\n", policy => policy('x'));
		my $old = $n->{pid};
		my @old = $n->workers;
		push @{ $n->{seen} }, $old, @old;
		$n->wait_marks(qr/^x/, 2);
		kill 'USR2', $old;
		ok(wait_until(sub { my $new = $n->master; -e "$n->{pidfile}.oldbin" and $new and $new != $old }), "$mode: USR2: a new master");
		my $new = $n->master;
		ok(wait_until(sub { $n->workers($new) == 2 }), 'with workers of its own');
		$n->wait_marks(qr/^x/, 4);
		kill 'QUIT', $old;
		ok(wait_until(sub { !$n->workers($old) }), 'QUIT to the old one ends its workers');
		is_deeply([ sort grep { /^p/ } $n->marks ], [ ('post x') x 2, ('pre x') x 2 ], 'with their hooks');
		is(($n->get('/hello'))[0], 200, 'the new ones serve');
		ok(wait_until(sub { !-e "$n->{pidfile}.oldbin" }), 'the old master has ended');
		$n->{pid} = $new;
		kill 'QUIT', $new;
		ok(wait_until(sub { !$n->workers($new) and !-e $n->{pidfile} }), 'and so do the new ones');
		is_deeply([ sort grep { /^p/ } $n->marks ], [ ('post x') x 4, ('pre x') x 4 ], 'with their hooks');
		$n->sound;
	}
};

subtest 'an upgrade that is taken back' => sub {
	my $n = nginx(workers => 1, daemon => 1, policy => policy('x'));
	my $old = $n->{pid};
	push @{ $n->{seen} }, $old, $n->workers;
	kill 'USR2', $old;
	my $new;
	ok(wait_until(sub { $new = $n->master; -e "$n->{pidfile}.oldbin" and $new and $new != $old and $n->workers($new) == 1 }), 'USR2');
	kill 'WINCH', $old;
	ok(wait_until(sub { !$n->workers($old) }), 'WINCH: the old workers leave, with hooks');
	is(scalar(grep { $_ eq 'post x' } $n->marks), 1, 'which have run');
	kill 'HUP', $old;
	ok(wait_until(sub { $n->workers($old) == 1 }), 'HUP to the old master: workers again');
	kill 'QUIT', $new;
	ok(wait_until(sub { !$n->workers($new) and !-e "$n->{pidfile}.oldbin" and ($n->master // 0) == $old }), 'QUIT to the new one ends that');
	is(($n->get('/hello'))[0], 200, 'the old one serves');
	kill 'QUIT', $old;
	ok(wait_until(sub { !$n->workers($old) and !-e $n->{pidfile} }), 'and ends');
	is(scalar(grep { $_ eq 'post x' } $n->marks), 3, 'hooks once a worker');
	$n->sound;
};

subtest 'watching' => sub {
	my $n = nginx(workers => 2, curfew => "curfew_watch on;\n", policy => policy('one'));
	my @old = $n->workers;
	$n->wait_marks(qr/^one/, 2);
	spew("$n->{dir}/policy.lua", policy('two'));
	$n->wait_marks(qr/^two/, 2);
	ok(wait_until(sub { (() = $n->log =~ /is in force: 1 unchanged/g) == 2 }), 'a policy that changes is in force in each worker');
	is_deeply([ $n->workers ], \@old, 'without a reload of nginx');
	spew("$n->{dir}/policy.lua", "local = 1\n");
	ok(wait_until(sub { (() = $n->log =~ /refused, the policy that runs stays in force: \S+policy\.lua:1:/g) == 2 }), 'a bad one is refused');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	is_deeply([ sort grep { /^p/ } $n->marks ], [ ('post two') x 2, ('pre two') x 2 ], 'with the hooks of the last good one');
	$n->sound;
};

done_testing;
