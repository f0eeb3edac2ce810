#!/usr/bin/perl
# init.t: curfew init: what it writes for each stack holds what it promises, and really runs; nobody's file is lost.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

my $curfew = $Curfew::BIN =~ m{^/} ? $Curfew::BIN : "$FindBin::Bin/../../$Curfew::BIN";

# A command in dir: (exit code, all that it says)
sub sh {
	my ($dir, @command) = @_;
	my $pid = open(my $out, '-|') // die "fork: $!";
	if (!$pid) {
		chdir $dir or POSIX::_exit(99);
		open STDERR, '>&', \*STDOUT or POSIX::_exit(99);
		exec { $command[0] } @command or POSIX::_exit(98);
	}
	my $said = do { local $/; <$out> } // '';
	close $out;
	return ($? >> 8, $said);
}
sub dir { return File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1) }
sub files { my ($dir) = @_; return join ' ', sort map { s{.*/}{}r } glob "$dir/*" }

my %stacks;
{
	my ($code, $said) = sh('/', $curfew, 'help', 'init');
	my ($list) = $said =~ /--for STACK +(.*)/;
	%stacks = map { $_ => 1 } $list =~ /\b(plain|container|nginx|node|redis)\b/g;
	is(join(' ', sort keys %stacks), 'container nginx node plain redis', 'the stacks that the help names');
}
for my $stack (sort keys %stacks) {
	my $dir = dir();
	my ($code, $said) = sh($dir, $curfew, 'init', '--for', $stack);
	is($code, 0, "$stack: written") or diag $said;
	like($said, qr/^shutdown\.lua and shutdown_test\.lua are written\. Next:/, "$stack: and what to do next");
	is(files($dir), 'shutdown.lua shutdown_test.lua', "$stack: nothing else is there");
	is(sprintf('%o', (stat "$dir/$_")[2] & 07777), sprintf('%o', 0666 & ~umask), "$stack: $_ has the mode of any file") for 'shutdown.lua', 'shutdown_test.lua';
	unlike(slurp("$dir/shutdown.lua") . slurp("$dir/shutdown_test.lua"), qr/@\w+@/, "$stack: all names are filled in");
	my @next = $said =~ /^  curfew ((?:check|test|plan) \S+)/mg;
	is(scalar(@next), 3, "$stack: three commands");
	for (@next) {
		($code, $said) = sh($dir, $curfew, split ' ');
		is($code, 0, "$stack: curfew $_") or diag $said;
	}
}

# For real: it starts, and TERM stops it in order.
sub runs {
	my ($stack, %o) = @_;
	my $dir = dir();
	sh($dir, $curfew, 'init', '--for', $stack);
	my $r = curfew(before => ["$dir/shutdown.lua"], %o);
	$o{ready}->($r);
	$r->signal('TERM');
	is($r->wait_exit, 0, "$stack: it runs, and a TERM ends it well") or diag $r->log;
	$o{after}->($r) if $o{after};
	is(join(' ', $r->left_behind), '', "$stack: nothing is left");
}
runs('plain', env => { LISTEN => '127.0.0.1:0' }, ready => sub { $_[0]->wait_log(qr/started 1 server/) });
runs('container', env => { APP => 'trap "exit 0" TERM; while :; do sleep 0.01; done', HEALTH => '127.0.0.1:0' }, ready => sub {
	my $at = $_[0]->wait_log(qr/health: listening on (\S+)/);
	ok(Curfew::wait_until(sub { ((http_get($at, '/readyz'))[0] // 0) == 200 }), 'container: ready');
});
SKIP: {
	skip 'nginx is not installed', 3 if system 'command -v nginx >/dev/null';
	my $dir = dir();
	my $port = do { my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0') or die $!; $s->sockport };
	spew("$dir/nginx.conf", "pid $dir/pid; error_log stderr; events {} http { access_log off; "
		. (join ' ', map { "${_}_temp_path $dir/$_;" } qw(client_body proxy fastcgi uwsgi scgi)) . " server { listen 127.0.0.1:$port; location / { return 200 ok; } } }");
	runs('nginx', env => { NGINX_CONF => "$dir/nginx.conf", LISTEN => "127.0.0.1:$port" }, ready => sub {
		$_[0]->wait_log(qr/started 1 server/);
		is((http_get("127.0.0.1:$port", '/'))[1], 'ok', 'nginx: it serves');
	});
}
SKIP: {
	skip 'redis is not installed', 3 if system 'command -v redis-server >/dev/null';
	my $dir = dir();
	runs('redis', env => { DATA => "$dir" }, ready => sub { $_[0]->wait_log(qr/started 1 server/) }, after => sub { ok(-s "$dir/dump.rdb", 'redis: it has saved') });
}
{ # a program by that name that does what the application of a Node.js server would
	my $dir = dir();
	spew("$dir/node", <<'NODE');
#!/usr/bin/perl
use IO::Socket::INET;
$SIG{TERM} = sub { exit 0 };
my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1:$ENV{PORT}", ReuseAddr => 1) or exit 3;
1 while $s->accept or 1;
NODE
	chmod 0755, "$dir/node";
	my $port = do { my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1:0') or die $!; $s->sockport };
	runs('node', env => { PATH => "$dir:$ENV{PATH}", PORT => $port, HEALTH => '127.0.0.1:0' }, ready => sub { $_[0]->wait_log(qr/started 1 server/) });
}

# what is in the way
{
	my $dir = dir();
	my ($code, $said) = sh($dir, $curfew, 'init', 'web.lua');
	is(files($dir), 'web.lua web_test.lua', 'another name');
	like(slurp("$dir/web_test.lua"), qr/t:load "web\.lua"/, 'which the test knows');
	($code, $said) = sh($dir, $curfew, 'test', 'web.lua');
	is($code, 1, 'a policy is not its own test');
	like($said, qr/^# Is it a policy\? Its tests are in another file, which loads it: web_test\.lua$/m, 'and where it is, is told') or diag $said;
	spew("$dir/web.lua", 'mine');
	($code, $said) = sh($dir, $curfew, 'init', 'web.lua');
	is($code, 1, 'a policy that is there: refused');
	like($said, qr/^curfew init: web\.lua: there is a file of this name: another name, or --force to replace it$/m, 'with the way out');
	is(slurp("$dir/web.lua"), 'mine', 'and it is as it was');
	is(files($dir), 'web.lua web_test.lua', 'nothing else is left');
	unlink "$dir/web.lua";
	($code, $said) = sh($dir, $curfew, 'init', 'web.lua');
	is($code, 1, 'a test that is there: refused');
	is(files($dir), 'web_test.lua', 'and the policy is not written either');
	($code, $said) = sh($dir, $curfew, 'init', '--force', 'web.lua');
	is($code, 0, '--force replaces');
	is(files($dir), 'web.lua web_test.lua', 'both');
	($code, $said) = sh($dir, $curfew, 'init', 'none/web.lua');
	is($code, 1, 'a folder that is not there');
	like($said, qr{none/web\.lua: No such file or directory}, 'is named');
	mkdir "$dir/sub";
	($code, $said) = sh($dir, $curfew, 'init', 'sub/web.lua');
	is($code, 0, 'another folder');
	is((sh("$dir/sub", $curfew, 'test', '.'))[0], 0, 'the test loads its neighbour');
	mkdir "$dir/web2.lua";
	is((sh($dir, $curfew, 'init', '--force', 'web2.lua'))[0], 1, 'a folder of that name stays, also with --force');
	is(files($dir), 'sub web.lua web2.lua web_test.lua', 'and nothing is left of the attempt');
	spew("$dir/web3.lua", 'mine');
	mkdir "$dir/web3_test.lua";
	($code, $said) = sh($dir, $curfew, 'init', '--force', 'web3.lua');
	is($code, 1, 'a test that cannot be replaced');
	like($said, qr/^curfew init: web3_test\.lua: Is a directory$/m, 'is named');
	is(slurp("$dir/web3.lua"), 'mine', 'and the policy is as it was, also with --force');
	is(files($dir), 'sub web.lua web2.lua web3.lua web3_test.lua web_test.lua', 'nothing is left of the attempt');
	is((sh('/proc', $curfew, 'init', 'web.lua'))[0], 1, 'where nobody may write');
}
# What is replaced comes back when the other one fails, whatever the file system does.
SKIP: {
	skip 'an instrumented binary wants its own library loaded first', 1 if $ENV{SAN};
	my $lib = dir();
	spew("$lib/fail.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
static int fails(int *n, const char *name)
{
	const char *which = getenv(name);
	++*n;
	for (; which && *which; which++)
		if (*which - '0' == *n)
			return errno = EIO, 1;
	return 0;
}
int rename(const char *from, const char *to)
{
	static int n;
	int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "rename");
	return fails(&n, "FAIL_RENAME") ? -1 : next(from, to);
}
int link(const char *from, const char *to)
{
	static int n;
	int (*next)(const char *, const char *) = (int (*)(const char *, const char *))dlsym(RTLD_NEXT, "link");
	return fails(&n, "FAIL_LINK") ? -1 : next(from, to);
}
int renameat2(int a, const char *from, int b, const char *to, unsigned how)
{
	(void)a, (void)from, (void)b, (void)to, (void)how;
	return errno = EINVAL, -1; /* a file system without it */
}
C
	my ($built, $why) = sh("$lib", $ENV{CC} // 'cc', '-shared', '-fPIC', '-o', 'fail.so', 'fail.c', '-ldl');
	is($built, 0, 'the shim') or diag $why;
	my $run = sub {
		my ($fails, $with_test) = @_;
		my $dir = dir();
		spew("$dir/web.lua", 'mine');
		spew("$dir/web_test.lua", 'mine, too') if $with_test;
		return ($dir, sh($dir, 'env', "LD_PRELOAD=$lib/fail.so", @$fails, $curfew, 'init', '--force', 'web.lua'));
	};
	for (['the second rename', ['FAIL_RENAME=2'], 1], ['the first rename', ['FAIL_RENAME=1'], 1], ['the first second name', ['FAIL_LINK=1'], 1],
		['the second second name', ['FAIL_LINK=2'], 1], ['the new file', ['FAIL_LINK=2'], 0]) {
		my ($what, $fails, $with_test) = @$_;
		my ($dir, $code, $said) = $run->($fails, $with_test);
		is($code, 1, "$what fails");
		like($said, qr/^curfew init: web(?:_test)?\.lua: Input\/output error\n\z/, "$what: the file is named") or diag $said;
		is(slurp("$dir/web.lua"), 'mine', "$what: the policy is as it was");
		is(files($dir), $with_test ? 'web.lua web_test.lua' : 'web.lua', "$what: nothing is left of the attempt");
		is(slurp("$dir/web_test.lua"), 'mine, too', "$what: and its test") if $with_test;
	}
	my ($dir, $code, $said) = $run->(['FAIL_RENAME=23'], 1);
	is($code, 1, 'nor can it be put back');
	my ($kept) = $said =~ /^curfew init: web\.lua: Input\/output error; it is kept as (\S+)$/m or diag $said;
	is($kept ? slurp("$dir/$kept") : undef, 'mine', 'then the name under which it is kept is told');
	($dir, $code, $said) = $run->([], 1);
	is($code, 0, 'with all that works');
	is(files($dir), 'web.lua web_test.lua', 'nothing is left beside');
	unlike(slurp("$dir/web.lua"), qr/mine/, 'and it is replaced');
}
for (['--for'], ['--for', 'ngnx'], ['--for', 'cobol'], ['a.lua', 'b.lua'], ['shutdown'], ['.lua'], ['x_test.lua'], ['--nope']) {
	my $dir = dir();
	my ($code, $said) = sh($dir, $curfew, 'init', @$_);
	is($code, 2, "init @$_: bad usage");
	like($said, qr/^curfew init: \S.*\nusage: /m, "init @$_: and why") or diag $said;
	is(files($dir), '', "init @$_: nothing is written");
}
like((sh('/', $curfew, 'init', '--for', 'ngnx'))[1], qr/did you mean "nginx"\?/, 'the nearest is named');
done_testing;
