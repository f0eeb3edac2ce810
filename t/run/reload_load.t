#!/usr/bin/perl
# reload_load.t: S7 under load: 1,000 reloads, every tenth one broken in another way; no request fails, and nothing is left over.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use KeepAlive;
use Test::More;

my $RELOADS = $ENV{SAN} ? 100 : 1000;
my $PATIENCE = ($ENV{CURFEW_PATIENCE} || 30) * 8;

# Request handlers wait, so that swaps find some under way. Which servers there are besides changes from one to the next.
sub policy {
	my ($n) = @_;
	my $lua = <<"LUA";
local curfew = require "curfew"
curfew.on("SIGHUP", curfew.reload)
curfew.kept.n = (curfew.kept.n or 0) + 1
local web = curfew.http { name = "web", listen = "127.0.0.1:0", keep_alive = "60s", routes = { ["GET /"] = function() curfew.sleep(0.001) return "$n" end } }
web:post_start(function() curfew.log.info("> address", web.address) end)
web:pre_stop(function() curfew.log.info("> hook $n", curfew.kept.n) end)
curfew.process { name = "p", command = { "sleep", "1000" } }
curfew.server { name = "lua", start = function() curfew.spawn(function() while true do curfew.sleep(1) end end) end, stop = function() end }
curfew.every(1, function() end)
curfew.spawn(function() curfew.sleep(1000) end)
LUA
	$lua .= qq(local x = curfew.tcp { name = "x", listen = "127.0.0.1:0", handler = function(c) c:write "x" end } x:after(web)\n) if $n % 3;
	$lua .= qq(local y = curfew.@{[ $n % 2 ? 'http' : 'tcp' ]} { name = "y", listen = "127.0.0.1:0", handler = function() end } y:pre_stop(function() curfew.sleep(0.001) end)\n) if $n % 4;
	return $lua;
}

my @broken = (
	sub { "x = = $_[0]" },
	sub { 'local t = nil t.x = 1' },
	sub { 'curfew.configure { load_limit = "2ms" } while true do end' },
	sub { 'curfew.configure { memory_limit = "4MB" } local t = {} for i = 1, 1e7 do t[i] = {} end' },
	sub { 'local a, b = curfew.server { name = "a" }, curfew.server { name = "b" } a:after(b) b:after(a)' },
	sub { 'curfew.on("nothing", curfew.ignore)' },
	sub { 'curfew.server { name = "p" }' },
	sub { 'curfew.spawn(function() while true do curfew.sleep(0.001) end end) curfew.after(0, error) os.exit(1)' },
	sub { 'coroutine.wrap(function() local s <close> = setmetatable({}, { __close = function() end }) error "in a coroutine" end)()' },
	undef, # no file at all
);

my $r = curfew(policy => policy(0), before => ['--log-level', 'debug']);
my ($port) = $r->wait_log(qr/> address (\S+)/) =~ /:(\d+)$/;
$r->wait_log(qr/started [345] servers/);
my $o = orchestrator($r);

open my $log, '<', $r->{err} or die $!;
my ($good, $refused, $over, $tail) = (0, 0, 0, '');
sub read_log {
	my $more;
	while (sysread $log, $more, 1 << 16) {
		$tail .= $more;
		while ($tail =~ s/^([^\n]*\n)//) {
			my $line = $1;
			$good++ if $line =~ /generation \d+ of the policy is in force/;
			$refused++ if $line =~ /reload: refused/;
			$over++ if $line =~ /generation \d+ of the policy is over/;
		}
	}
	return $good + $refused;
}
sub descriptors { my @fd = glob "/proc/$o/fd/*"; return scalar @fd }
sub resident { return (slurp("/proc/$o/status") =~ /^VmRSS:\s+(\d+) kB/m)[0] }
sub guardian_descriptors { my @fd = glob "/proc/$r->{pid}/fd/*"; return scalar @fd }

my $load = KeepAlive->new(port => $port, clients => 16);
my ($warm_fd, $warm_rss, $warm_guardian);
my $n_broken = 0;
# Old ones are over, but for the first, by whose functions the server "lua" was started.
sub settle { $load->run(sub { read_log(); $over == $good - 1 }, $PATIENCE) }
for my $n (1 .. $RELOADS) {
	my $break = $n % 10 == 0 ? $broken[ $n_broken++ % @broken ] : sub { '' };
	if ($break) {
		spew("$r->{dir}/policy.lua", policy($n) . $break->($n));
	} else {
		unlink "$r->{dir}/policy.lua";
	}
	kill 'HUP', $r->{pid};
	$load->run(sub { read_log() >= $n }, $PATIENCE);
	last if read_log() < $n;
	if ($n == $RELOADS / 10) {
		settle();
		($warm_fd, $warm_rss, $warm_guardian) = (descriptors(), resident(), guardian_descriptors());
	}
}
is($good, $RELOADS * 9 / 10, 'S7.2: each good one was taken');
is($refused, $RELOADS / 10, 'S7.1: each broken one was refused');
settle();
is($over, $good - 1, 'S7.3: each policy that was replaced is over, but for the one that has to stop what it started');
my $before = $load->{done};
$load->run(sub { $_[0]{done} >= $before + 100 }, $PATIENCE);
is($load->{failed} . ' ' . join(', ', sort keys %{ $load->{reasons} }), '0 ', 'S7.2: no request has failed');
is($load->{refused}, 0, 'and no connection');
cmp_ok($load->{done}, '>', $RELOADS, "under load: $load->{done} requests");
is(scalar keys %{ $load->{conns} }, 16, 'S7.2: every connection is the one that was there at first');
cmp_ok(descriptors(), '<=', $warm_fd + 2, "no descriptor is left over: $warm_fd, later @{[ descriptors() ]}");
cmp_ok(guardian_descriptors(), '<=', $warm_guardian + 2, 'nor with the guardian');
cmp_ok(resident(), '<', $warm_rss + 6000, "no memory: ${warm_rss} kB, later @{[ resident() ]} kB") unless $ENV{SAN};
my @children = grep { (slurp("/proc/$_/cmdline") // '') =~ /^sleep/ } children($o);
is(scalar @children, 1, 'S7.2: the process is the one that was there at first');
$load->close_all;
$r->signal('TERM');
is($r->wait_exit, 0, 'and it stops well') or diag substr $r->log, -3000;
like($r->log, qr/> hook @{[ $RELOADS - 1 ]} @{[ $good + 1 ]}\s/, 'with the hook of the last good one, and what was kept through all of them');
is(join(' ', $r->left_behind), '', 'nothing is left');
done_testing;
