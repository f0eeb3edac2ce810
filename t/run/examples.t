#!/usr/bin/perl
# examples.t: every example runs as its first comment says, is stopped, and does what it promises.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Cwd ();
use Curfew;
use Test::More;

my $here = Cwd::getcwd();
my %seen;

# Run examples/NAME with files of its own under a directory that a user "postgres" may enter too.
sub example {
	my ($name, %o) = @_;
	$seen{$name} = 1;
	my $dir = File::Temp->newdir('curfew-x-XXXXXX', TMPDIR => 1);
	chmod 0755, "$dir";
	my $r = curfew(before => [@{ $o{before} || [] }, "$here/examples/$name"], env => { DIR => "$dir", %{ $o{env} || {} } });
	$r->{files} = $dir;
	return $r;
}

{
	my $r = example('hello.lua');
	my $at = $r->wait_log(qr/((?:127\.0\.0\.1|\[::1\]):\d+)/);
	Curfew::wait_until(sub { connect_to($at) });
	my ($status, $body) = http_get($at, '/');
	is($status, 200, 'hello.lua serves');
	like($body, qr/hello/i, 'hello.lua says hello');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'hello.lua ends with 0') or diag $r->log;
}
{
	my $r = example('two-servers.lua');
	my ($public, $admin);
	Curfew::wait_until(sub { my @at = $r->log =~ /(127\.0\.0\.1:\d+)/g; my %u; @at = grep { !$u{$_}++ } @at; ($public, $admin) = @at; @at >= 2 }) or diag $r->log;
	ok(connect_to($_), "two-servers.lua listens on $_") for $public, $admin;
	$r->signal('TERM');
	is($r->wait_exit, 0, 'two-servers.lua ends with 0') or diag $r->log;
}
{
	my $r = example('container.lua', env => { HEALTH => '127.0.0.1:0', APP_HOLD => '300ms' });
	my $at = $r->wait_log(qr/health: listening on (\S+)/);
	ok(Curfew::wait_until(sub { ((http_get($at, '/readyz'))[0] // 0) == 200 }), 'container.lua becomes ready') or diag $r->log;
	$r->signal('TERM');
	$r->wait_log(qr/holding for the balancer/);
	is((http_get($at, '/readyz'))[0], 503, 'container.lua: not ready while it holds');
	is($r->wait_exit, 0, 'container.lua ends with 0') or diag $r->log;
}
{ # the manifest that runs it: what it says fits the policy
	my $yaml = slurp('examples/kubernetes.yaml');
	my ($depth, @odd) = (0);
	for my $line (grep { !/^\s*(?:#|$)/ } split /\n/, $yaml) {
		push @odd, $line unless $line =~ /^((?:  )*)(?:- )?[\w.\/-]+:(?: (?:"[^"\\]*"|\[(?:"[^"\\]*"(?:, (?=")|(?=\])))+\]|[\w.\/:-]+))?$/;
		my $now = length($1 // '') / 2 + ($line =~ /^\s*- / ? 1 : 0);
		push @odd, $line if $now > $depth + ($line =~ /^\s*- / ? 2 : 1);
		$depth = $now;
	}
	is("@odd", '', 'kubernetes.yaml is plain YAML');
	my %env = $yaml =~ /- name: (\w+)\n\s+value: "([^"]*)"/g;
	my ($grace) = $yaml =~ /terminationGracePeriodSeconds: (\d+)/;
	is(join(' ', sort keys %env), 'APP APP_GRACE APP_HOLD APP_READY HEALTH', 'kubernetes.yaml sets what container.lua reads');
	my $plan = sub { local %ENV = (%ENV, %env); system("$Curfew::BIN plan --grace $_[0]s examples/container.lua >/dev/null 2>&1") >> 8 };
	is($plan->($grace), 0, 'kubernetes.yaml: the grace is longer than the worst case');
	is($plan->($grace - 5), 1, 'kubernetes.yaml: a shorter one is noticed');
	my @paths = $yaml =~ m{path: (/\S+)\n\s+port: health}g;
	delete $env{APP_READY}; # nothing listens there
	my $r = example('container.lua', env => { %env, APP => 'exec sleep 1000', APP_HOLD => '100ms', HEALTH => '127.0.0.1:0' });
	my $at = $r->wait_log(qr/health: listening on (\S+)/);
	ok(Curfew::wait_until(sub { ((http_get($at, $_))[0] // 0) == 200 }), "kubernetes.yaml: the probe of $_ is answered") for @paths;
	is(scalar(@paths), 2, 'kubernetes.yaml: both probes');
	$r->signal('TERM');
	$r->wait_exit;
}
{
	my $r = example('demo.lua', before => ['--timeline', 'always']);
	is($r->wait_exit, 0, 'demo.lua ends with 0') or diag $r->log;
	like($r->log, qr/ (\d+) requests served, 0 failed/, 'demo.lua: no request failed');
	like($r->log, qr/let the balancer notice/, 'demo.lua: the timeline names the hook');
	is(join(' ', $r->left_behind), '', 'demo.lua leaves no process');
}
SKIP: {
	skip 'redis-server is not installed', 4 if system('command -v redis-server >/dev/null');
	my $r = example('redis.lua');
	# under load: the writers have had something acknowledged
	ok(Curfew::wait_until(sub { my $n = 0; $n += (slurp("$r->{files}/acknowledged.$_") // '') =~ tr/\n// for 1 .. 3; $n > 300 }), 'redis.lua: under load') or diag $r->log;
	$r->signal('TERM');
	is($r->wait_exit, 0, 'redis.lua ends with 0') or diag $r->log;
	like($r->log, qr/backup checked: [1-9]\d* acknowledged writes, 0 missing/, 'redis.lua: no acknowledged write is lost');
	is(join(' ', $r->left_behind), '', 'redis.lua leaves no process');
}
SKIP: {
	skip 'postgresql is not installed', 4 if !glob '/usr/lib/postgresql/*/bin/postgres';
	my $r = example('postgres.lua');
	ok(Curfew::wait_until(sub { my $n = 0; $n += (slurp("$r->{files}/committed.$_") // '') =~ tr/\n// for qw(w1 w2); $n > 40 }, 90), 'postgres.lua: under load') or diag $r->log;
	$r->signal('TERM');
	is($r->wait_exit(60), 0, 'postgres.lua ends with 0') or diag $r->log;
	like($r->log, qr/dump checked: [1-9]\d* committed rows, 0 missing/, 'postgres.lua: no committed row is lost');
	is(join(' ', $r->left_behind), '', 'postgres.lua leaves no process');
}
SKIP: {
	skip 'nginx is not installed', 6 if system('command -v nginx >/dev/null');
	my $socket = File::Temp->newdir('curfew-n-XXXXXX', TMPDIR => 1);
	my $r = example('nginx.lua', env => { LISTEN => "unix:$socket/s", HOLD => '200ms' });
	ok(Curfew::wait_until(sub { (http_get("unix:$socket/s", '/'))[0] }), 'nginx.lua serves') or diag $r->log;
	# a slow download under way when the stop begins
	spew("$r->{files}/slow", 'x' x 20000);
	chmod 0644, "$r->{files}/slow";
	my $s = connect_to("unix:$socket/s");
	print $s "GET /slow HTTP/1.0\r\n\r\n";
	sysread $s, my $begun, 100;
	$r->signal('TERM');
	my $rest = do { local $/; <$s> };
	like($begun . $rest, qr/200 OK/, 'nginx.lua: the request under way') or diag $r->log;
	is(length(($begun . $rest) =~ s/.*?\r\n\r\n//sr), 20000, 'nginx.lua: is finished');
	is($r->wait_exit, 0, 'nginx.lua ends with 0') or diag $r->log;
	is(join(' ', $r->left_behind), '', 'nginx.lua leaves no process');
}

my @missing = grep { !$seen{$_} and !/^save-|^haproxy/ } map { s{.*/}{}r } glob "$here/examples/*.lua";
is("@missing", '', 'every example has a test'); # save-*.lua: save.t; haproxy.lua: t/hosts

done_testing;
