#!/usr/bin/perl
# conf.t: the directives; nginx -t refuses a bad policy with file and line.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use POSIX ();
use Nginx;
use Test::More;

Nginx::require_module();

sub tried {
	my (%o) = @_;
	my $n = nginx(unstarted => 1, policy => "local x = 1\n", %o);
	my ($code, $said) = $n->command('-t');
	return ($code, $said . $n->log, $n);
}
sub refused {
	my ($name, $re, %o) = @_;
	my ($code, $said) = tried(%o);
	is($code, 1, "$name: refused") or diag $said;
	like($said, $re, 'with the reason');
}

my ($code, $said) = tried(curfew => "curfew_exit_timeout 20s;\ncurfew_term graceful;\ncurfew_mode master;\ncurfew_lame_duck off;\ncurfew_watch on;\n");
is($code, 0, 'all directives') or diag $said;
($code, $said) = tried(policy => undef);
is($code, 0, 'the module without a policy') or diag $said;

refused('a policy that does not compile', qr{curfew: \S+/policy\.lua:3: .*near.* in \S+/nginx\.conf:\d+}, policy => "local a = 1\n\nlocal = 2\n");
refused('a string that does not end', qr{policy\.lua:2: unfinished string}, policy => "\nx = 'abc\n");
refused('bytecode', qr{policy}, policy => "\x1bLua\x54\0");
refused('no such file', qr{cannot read the policy "\S+/none\.lua".*No such file}, policy => undef, curfew => "curfew_policy none.lua;\n");
refused('a directory', qr{is no file}, policy => undef, curfew => "curfew_policy html;\n");
{
	my $fifo = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	POSIX::mkfifo("$fifo/p.lua", 0600) or die "mkfifo: $!";
	refused('a FIFO', qr{is no file}, policy => undef, curfew => "curfew_policy $fifo/p.lua;\n");
}
refused('two policies', qr{"curfew_policy" directive is duplicate}, curfew => "curfew_policy policy.lua;\n");
refused('a wrong word', qr{invalid value "slow"}, curfew => "curfew_term slow;\n");
for my $works (1, 0) {
	my $n = nginx(unstarted => 1, policy => "local x = 1\n");
	spew("$n->{dir}/nginx.conf", slurp("$n->{dir}/nginx.conf") =~ s/worker_connections 512;/'worker_connections ' . ($works ? 4 : 2) . ';'/er);
	my ($rc, $out) = $n->command('-t');
	is($rc, $works ? 0 : 1, 'worker_connections: ' . ($works ? 'four are enough' : 'two are refused')) or diag $out;
	like($out . $n->log, $works ? qr/successful/ : qr/curfew: 2 worker_connections are not enough: 1 listening sockets, 2 more/, 'which is said');
	next if !$works;
	$n->start;
	like($n->get('/hello'), qr/hello/, 'and serve');
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'and stop');
}
refused('a wrong time', qr{invalid value}, curfew => "curfew_exit_timeout soon;\n");
{
	my $n = nginx(unstarted => 1, policy => "local x = 1\n");
	my $conf = slurp("$n->{dir}/nginx.conf");
	spew("$n->{dir}/nginx.conf", $conf =~ s/^curfew_library.*$/curfew_library \/nonexistent\/libcurfew.so.0;/mr);
	my ($rc, $out) = $n->command('-t');
	is($rc, 1, 'a library that is not there: refused');
	like($out . $n->log, qr{cannot open the library: /nonexistent}, 'with the reason');
	spew("$n->{dir}/nginx.conf", $conf =~ s/^(curfew_library.*\n)(curfew_policy.*\n)/$2$1/mr =~ s/^curfew_policy/curfew_library $Nginx::LIBRARY;\ncurfew_policy/mr);
	($rc, $out) = $n->command('-t');
	is($rc, 1, 'a library that comes late, or twice: refused');
	like($out . $n->log, qr{"curfew_library" directive is duplicate}, 'with the reason');
}
{
	my $mark = File::Temp->new(TMPDIR => 1, TEMPLATE => 'curfew-t-XXXXXX');
	my ($rc, $out) = tried(policy => "local curfew = require 'curfew'\n"
		. "local function mark() io.open('$mark', 'w'):write 'ran' end curfew.spawn(mark) curfew.after(0, mark) curfew.exec({ 'sh', '-c', 'echo ran >$mark' }, mark)\n");
	is($rc, 0, '-t of a policy that begins things');
	is(slurp("$mark"), '', 'does not begin them');
	for my $act ('io.open(at, "w"):write "ran"', 'os.execute("echo ran >" .. at)', 'io.popen("echo ran >" .. at):read "a"',
		'require "curfew".fs.write(at, "ran")', 'require "curfew" os.execute("echo ran >" .. at)', 'os.remove(at)')
	{
		($rc, $out) = tried(policy => "local at = '$mark' $act\n");
		is($rc, 0, "-t of: $act") or diag $out;
		is(slurp("$mark"), '', 'does not do it');
	}
}

# What only shows as it is loaded.
refused('a server that is nginx itself', qr{curfew: \S+/policy\.lua:2: .*there is a server named "nginx" already},
	policy => "local curfew = require 'curfew'\ncurfew.server { name = 'nginx', start = function() end }\n");
refused('a trigger that is none', qr{curfew: \S+/policy\.lua:2: .*SIGTRM}, policy => "local curfew = require 'curfew'\ncurfew.on('SIGTRM', curfew.ignore)\n");
refused('a name that is none', qr{policy\.lua:2: .*htpt.*did you mean}s, policy => "local curfew = require 'curfew'\ncurfew.htpt {}\n");
refused('an error', qr{policy\.lua:1: on purpose}, policy => "error 'on purpose'\n");
refused('servers that wait for each other', qr{policy\.lua:2: .*servers that wait for each other: b -> a -> b},
	policy => "local c = require 'curfew'\nlocal a = c.server { name = 'a' } local b = c.server { name = 'b' } a:after(b) b:after(a)\n");
{
	my ($rc, $out) = tried(policy => "local c = require 'curfew'\nassert(c.find 'nginx', 'no nginx') c.find('nginx'):pre_stop(function() end)\n");
	is($rc, 0, 'nginx is there as it is tried') or diag $out;
	($rc, $out) = tried(policy => "while true do end\n");
	is($rc, 1, 'a policy that loops as it loads: refused');
	like($out, qr{policy\.lua:1}, 'with its line');
}

# A policy that is read by the master alone: workers, who may not read it, have it.
SKIP: {
	skip 'only root may give up rights', 3 unless $> == 0;
	my $n = nginx(unstarted => 1, user => 'user www-data;', policy => Nginx::prelude() . "nginx:pre_stop(function() mark 'pre' end)\n");
	chmod 0600, "$n->{dir}/policy.lua";
	$n->start;
	is(($n->get('/state'))[0], 200, 'a policy of root, mode 0600') or diag $n->log;
	$n->signal('QUIT');
	is($n->wait_exit, 0, 'a stop');
	is_deeply([ $n->marks ], ['pre'], 'its hooks run in workers without any rights') or diag $n->log;
}

done_testing;
