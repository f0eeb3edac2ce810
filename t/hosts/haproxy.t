#!/usr/bin/perl
# examples/haproxy.lua and .cfg: a real haproxy before a curfew server, stopped under load.
use strict;
use warnings;
use lib 't/lib';
use Curfew;
use Cwd qw(abs_path);
use File::Temp ();
use KeepAlive;
use Test::More;

plan skip_all => 'haproxy is not installed' unless grep { -x "$_/haproxy" } split(/:/, $ENV{PATH}), '/usr/sbin';
$ENV{PATH} .= ':/usr/sbin';

my $back = curfew(policy => <<'L');
local curfew = require "curfew"
curfew.http { name = "app", listen = "127.0.0.1:0", routes = {
	["GET /"] = function() return "hello\n" end,
	["GET /never"] = function() curfew.log.info "> never" curfew.sleep "60s" return "late\n" end,
} }
curfew.start()
curfew.log.info("> at " .. curfew.find("app").address)
L
my $backend = $back->wait_log(qr/> at (127\.0\.0\.1:\d+)/);

# haproxy says nothing of a port that the kernel picks: one that is free now.
sub proxy {
	my ($mode, $cfg) = @_;
	my $port = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => 0)->sockport;
	my $p = curfew(policy => slurp('examples/haproxy.lua'),
		env => { MODE => $mode, CFG => $cfg // abs_path('examples/haproxy.cfg'), LISTEN => "127.0.0.1:$port", BACKEND => $backend });
	$p->{port} = $port;
	$p->wait_log(qr/started 1 server/);
	return $p;
}

# The processes of haproxy that serve this port.
sub haproxies {
	my ($p) = @_;
	return grep { (slurp("/proc/$_/comm") // '') eq "haproxy\n" && (slurp("/proc/$_/environ") // '') =~ /127\.0\.0\.1:$p->{port}\0/ }
		map { m{/proc/(\d+)$} } glob '/proc/*';
}

# The same with a longer grace: whoever looks at the health page is to have seen it, however busy this machine is.
my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
my $patient = slurp('examples/haproxy.cfg') =~ s/grace 1s/grace 3s/r =~ s/hard-stop-after 4s/hard-stop-after 7s/r;
like $patient, qr/grace 3s.*hard-stop-after 7s/s, 'the example says how long';
spew("$dir/haproxy.cfg", $patient);

for my $mode ('-db', '-W') {
	my $p = proxy($mode, "$dir/haproxy.cfg");
	is scalar(haproxies($p)), $mode eq '-W' ? 2 : 1, "$mode: one process, or a master and its worker";
	is +(http_get("127.0.0.1:$p->{port}", '/haproxy-health'))[0], 200, "$mode: healthy";
	my $load = KeepAlive->new(port => $p->{port}, clients => 16, again => 1);
	$load->run(sub { $load->{done} > 500 }, 30);
	cmp_ok $load->{done}, '>', 500, 'it serves';
	$p->signal('TERM');
	my ($at, $sick);
	$load->run(sub { $at //= $load->{done} if $p->log =~ /> pre_stop/; defined $at && $load->{done} > $at + 100 }, 30);
	my $health = sub { $sick = (http_get("127.0.0.1:$p->{port}", '/haproxy-health'))[0] // 0; $sick != 200 };
	wait_until($health);
	is $sick, 503, 'the health page says so while the listener is still open';
	$load->{again} = 0; # as a balancer does: haproxy drops who is queued when its listener goes
	$load->run(sub { 0 }, 30);
	is $load->{failed}, 0, "none of $load->{done} requests failed" or diag explain $load->{reasons};
	is $p->wait_exit, 0, 'code 0';
	is_deeply [ grep { /^p/ } @{ $p->marks } ], [ 'pre_stop', 'post_stop' ], 'the hooks ran, in order';

	$p = proxy($mode);
	my $never = connect_to("127.0.0.1:$p->{port}");
	print $never "GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
	$back->wait_log(qr/> never/);
	$p->signal('TERM');
	is $p->wait_exit, 0, "a request that never ends is no fault of the stop";
	like $p->log, qr/stop: graceful.*exit \d/s, 'hard-stop-after ends a request that never does';
	unlike $p->log, qr/SIGKILL|cut off/, 'before curfew has to';
	is_deeply [ $p->left_behind ], [], 'nothing is left';
}
$back->signal('INT');
$back->signal('TERM');

done_testing;
