#!/usr/bin/perl
# systemd.t: what systemd is told (sd_notify) and what it passes (LISTEN_FDS), with a guardian, who is the service's main process
# (S8.1), and without one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Fcntl;
use IO::Select;
use IO::Socket::INET;
use Socket qw(AF_UNIX SOCK_DGRAM SOCK_STREAM SOL_SOCKET pack_sockaddr_un SOMAXCONN);
use Test::More;

use constant { SO_PASSCRED => 16, SCM_CREDENTIALS => 2 };

my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
my $serial = 0;

# The service manager: a socket that hears who says what. abstract: its name is no file.
sub manager {
	my (%o) = @_;
	socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die "socket: $!";
	my $name = "$dir/notify" . ++$serial;
	bind($s, pack_sockaddr_un($o{abstract} ? "\0$name" : $name)) or die "bind: $!";
	setsockopt($s, SOL_SOCKET, SO_PASSCRED, pack('i', 1)) or die "SO_PASSCRED: $!";
	return { socket => $s, address => ($o{abstract} ? "\@$name" : $name), heard => [], pids => {} };
}

# One message and its sender's pid. Perl has no recvmsg of its own.
my $RECVMSG = { x86_64 => 47, aarch64 => 212 }->{ (POSIX::uname())[4] };
sub receive {
	my ($m) = @_;
	my ($text, $control) = ("\0" x 8192, "\0" x 64);
	return (defined recv($m->{socket}, $text, 8192, 0) ? ($text, undef) : ()) unless $RECVMSG;
	my $part = pack 'PQ', $text, length $text;
	my $head = pack 'x8 L x4 PQ PQ i x4', 0, $part, 1, $control, length $control, 0;
	my $n = syscall $RECVMSG, fileno $m->{socket}, $head, 0;
	return if $n < 0;
	my ($level, $type, $pid) = unpack 'x8 iii', $control;
	return (substr($text, 0, $n), $level == SOL_SOCKET && $type == SCM_CREDENTIALS ? $pid : undef);
}

# All that has been said so far, one string a message: its lines with "; " between.
sub heard {
	my ($m) = @_;
	while (IO::Select->new($m->{socket})->can_read(0)) {
		my ($text, $pid) = receive($m) or last;
		$m->{pids}{$pid}++ if defined $pid;
		$text =~ s/\n\z//;
		push @{ $m->{heard} }, join '; ', split /\n/, $text;
	}
	return @{ $m->{heard} };
}
sub wait_heard {
	my ($m, $what, $r) = @_;
	my $found = Curfew::wait_until(sub { grep { $_ =~ $what } heard($m) });
	ok($found, "systemd hears $what") or diag join("\n", heard($m)), $r->log;
}
sub states { return join ', ', map { /^((?:READY|STOPPING|RELOADING)=1)/ ? $1 : () } heard($_[0]) }

my $SERVER = <<'LUA';
local curfew = require "curfew"
local s = curfew.server { name = "s", start = function() end, stop = function() end }
local function wait_for(name) repeat curfew.sleep "5ms" until curfew.fs.exists(name) end
LUA

for my $guard (1, 0) {
	my $how = $guard ? 'with a guardian' : 'without a guardian';
	my @options = $guard ? () : ('--no-guardian');
	my $m = manager(abstract => $guard);
	my %env = (NOTIFY_SOCKET => $m->{address});
	my $r = curfew(before => ['--exit-timeout', '20s', @options], env => \%env, policy => $SERVER . <<'LUA');
s:pre_stop(function(ctx) wait_for "hooked" ctx:extend(50) wait_for "extended" end, { name = "drain" })
curfew.on("SIGUSR1", curfew.reload)
local e = curfew.exec { "sh", "-c", 'echo "${NOTIFY_SOCKET-none} ${WATCHDOG_USEC-none} ${LISTEN_FDS-none}"' }
curfew.log.info("> child has " .. e.stdout)
curfew.log.info("> lua has " .. tostring(os.getenv "NOTIFY_SOCKET"))
LUA
	wait_heard($m, qr/^READY=1/, $r);
	like($r->log, qr/> child has none none none/, "S10.2: $how: children are not to speak for us");
	like($r->log, qr/> lua has nil/, "S10.2: $how: nor are scripts");
	is(states($m), 'READY=1', "$how: once");
	wait_heard($m, qr/^STATUS=started$/, $r);
	$r->signal('USR1');
	wait_heard($m, qr/^RELOADING=1; MONOTONIC_USEC=\d+$/, $r);
	ok(Curfew::wait_until(sub { states($m) eq 'READY=1, RELOADING=1, READY=1' }), "$how: READY again after a reload") or diag states($m);
	spew("$r->{dir}/policy.lua", 'error "new"');
	$r->signal('USR1');
	ok(Curfew::wait_until(sub { states($m) eq 'READY=1, RELOADING=1, READY=1, RELOADING=1, READY=1' }), "$how: and after one that is refused") or diag states($m);
	$r->signal('TERM');
	wait_heard($m, qr/^STOPPING=1; EXTEND_TIMEOUT_USEC=\d+$/, $r);
	my ($first) = map { /^STOPPING=1; EXTEND_TIMEOUT_USEC=(\d+)/ ? $1 : () } heard($m);
	ok($first > 10e6 && $first <= 21e6, "$how: until the exit timeout and a second: $first");
	wait_heard($m, qr/^STATUS=stopping: waits for s, pre_stop "drain" \(policy\.lua:4\)$/, $r);
	spew("$r->{dir}/hooked", '');
	my $before = @{ $m->{heard} };
	my $second;
	Curfew::wait_until(sub { my @all = heard($m); ($second) = map { /^EXTEND_TIMEOUT_USEC=(\d+)/ ? $1 : () } @all[$before .. $#all] });
	ok(defined $second && $second > 40e6 && $second <= 61e6, "S4.6: $how: and is told as it moves: $second");
	spew("$r->{dir}/extended", '');
	is($r->wait_exit, 0, "$how: the stop");
	is(states($m), 'READY=1, RELOADING=1, READY=1, RELOADING=1, READY=1, STOPPING=1', "$how: all of it in order");
	SKIP: {
		skip 'no recvmsg here', 1 unless $RECVMSG;
		is(join(' ', keys %{ $m->{pids} }), $r->{pid}, "S8.1: $how: it is the process that systemd started that says so");
	}
}

# S8.2: after a crash the guardian speaks
{
	my $m = manager();
	my $r = curfew(env => { NOTIFY_SOCKET => $m->{address} }, policy => $SERVER . 's:pre_stop(function() curfew.log.warn "> pre" end)');
	wait_heard($m, qr/^READY=1/, $r);
	my ($child) = (slurp("/proc/$r->{pid}/task/$r->{pid}/children") // '') =~ /(\d+)/;
	kill 'KILL', $child;
	is($r->wait_exit, 137, 'S8.2: the orchestrator is killed');
	wait_heard($m, qr/^STOPPING=1; STATUS=the orchestrator is gone: its pre_stop hooks are run; EXTEND_TIMEOUT_USEC=\d+$/, $r);
	is(() = (grep { /READY/ } heard($m)), 1, 'and nobody is ready again');
	is(() = (grep { /STATUS=new/ } heard($m)), 0, 'nor says that it is new');
}

# WATCHDOG: as long as the loop turns. Whoever is named by WATCHDOG_PID has to answer, which the guardian passes on.
for my $guard (1, 0) {
	my $how = $guard ? 'with a guardian' : 'without a guardian';
	my $m = manager();
	my $r = curfew(before => [$guard ? () : '--no-guardian'], child => sub {
		@ENV{qw(NOTIFY_SOCKET WATCHDOG_USEC WATCHDOG_PID)} = ($m->{address}, 20000, $$);
	}, policy => $SERVER . 'curfew.configure { exit_timeout = "1s", stall_limit = "60s" } curfew.on("SIGUSR1", function() curfew.after(0, function() io.open "nobody" end) curfew.log.info "> blocks" return curfew.ignore end)');
	ok(Curfew::wait_until(sub { (grep { /^WATCHDOG=1$/ } heard($m)) >= 5 }), "$how: WATCHDOG=1, again and again") or diag join "\n", heard($m);
	$r->signal('USR1');
	$r->wait_log(qr/> blocks/);
	# Half of WATCHDOG_USEC is 10 ms: what is not said within fifty times that is not said. What is on its way already may come.
	my $n = -1;
	ok(Curfew::wait_until(sub { my $was = $n; $n = () = heard($m); IO::Select->new($m->{socket})->can_read(0.5) ? 0 : $was == $n }),
		"$how: not any more once the loop is blocked");
	$r->signal('TERM');
	is($r->wait_exit, 255, "$how: S4.8: and it ends");
}
{
	my $m = manager();
	my $r = curfew(env => { NOTIFY_SOCKET => $m->{address}, WATCHDOG_USEC => 20000, WATCHDOG_PID => 1 }, policy => $SERVER);
	wait_heard($m, qr/^READY=1/, $r);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'a watchdog that is meant for another process');
	is(scalar(grep { /WATCHDOG/ } heard($m)), 0, 'is not answered');
}

# A socket that nobody reads, or none at all, holds nothing up.
for my $address ("$dir/none", 'nonsense', '@', '/' . 'x' x 200) {
	my $r = curfew(env => { NOTIFY_SOCKET => $address }, policy => $SERVER . 'curfew.log.info "> up"');
	$r->wait_log(qr/> up/);
	$r->signal('TERM');
	is($r->wait_exit, 0, 'NOTIFY_SOCKET=' . substr($address, -20) . ': nobody is there');
}

# ---- LISTEN_FDS

# Sockets as descriptors 3, 4, … of the child, and the variables.
sub passing {
	my ($names, @sockets) = @_;
	return sub {
		my @high = map { fcntl($_, F_DUPFD, 100 ) or POSIX::_exit(96) } @sockets; # out of the way of what follows
		for my $i (0 .. $#high) { POSIX::dup2($high[$i], 3 + $i); POSIX::close($high[$i]) }
		@ENV{qw(LISTEN_PID LISTEN_FDS)} = ($$, scalar @sockets);
		$ENV{LISTEN_FDNAMES} = $names if defined $names;
	};
}
sub tcp { return IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1:0', ReuseAddr => 1) || die "listen: $!" }
sub at { return '127.0.0.1:' . $_[0]->sockport }

for my $guard (1, 0) {
	my $how = $guard ? 'with a guardian' : 'without a guardian';
	my ($named, $same, $spare) = (tcp(), tcp(), tcp());
	my $r = curfew(before => [$guard ? () : '--no-guardian'], child => passing('web:other:spare', $named, $same, $spare), policy => <<"LUA");
local curfew = require "curfew"
local function serve(name, listen) return curfew.http { name = name, listen = listen, handler = function() return name end } end
local a = serve("a", "systemd:web")
local b = serve("b", "${\ at($same)}")
curfew.on("SIGUSR1", curfew.reload)
a:post_start(function() curfew.log.info("> a is at " .. a.address) end)
LUA
	$r->wait_log(qr/started 2 servers/);
	is((http_get(at($named), '/'))[1], 'a', "$how: a socket by its name");
	is((http_get(at($same), '/'))[1], 'b', "$how: a socket that has the address");
	like($r->log, qr/> a is at ${\ at($named)}$/m, "$how: its real address is known");
	like($r->log, qr/WARN  no server listens at the socket "spare" that was passed/, "$how: one that nobody wants is named");
	unlike($r->log, qr/socket "(?:web|other)"/, "$how: no other is");
	my $text = slurp("$r->{dir}/policy.lua");
	$text =~ s/return name/return name .. 2/;
	spew("$r->{dir}/policy.lua", $text);
	$r->signal('USR1');
	$r->wait_log(qr/generation 2 of the policy is in force/);
	is((http_get(at($named), '/'))[1], 'a2', "S7.2: $how: a reload keeps it");
	$text =~ s/name = "a"/name = "a3"/; $text =~ s/serve\("a"/serve("a3"/;
	spew("$r->{dir}/policy.lua", $text);
	$r->signal('USR1');
	$r->wait_log(qr/generation 3 of the policy is in force/);
	ok(Curfew::wait_until(sub { ((http_get(at($named), '/'))[1] // '') eq 'a32' }), "S7.2: $how: as another server, too");
	$r->signal('TERM');
	is($r->wait_exit, 0, "$how: the stop");
	my $waiting = connect_to(at($named));
	ok($waiting, "$how: the socket is systemd's: who comes meanwhile is let in");
	print {$waiting} "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	$r = curfew(child => passing('web', $named), policy => 'require "curfew".http { name = "next", listen = "systemd:web", handler = function() return "next" end }');
	my $answer = '';
	while (IO::Select->new($waiting)->can_read($Curfew::PATIENCE)) { sysread($waiting, $answer, 4096, length $answer) or last }
	like($answer, qr/\r\n\r\nnext$/, "$how: and served by the next start");
	$r->signal('TERM');
	$r->wait_exit;
}

# a socket unit with several addresses gives all of them one name
for my $list ('"systemd:web"', '{ "systemd:web", "127.0.0.1:0" }') {
	my ($one, $two) = (tcp(), tcp());
	my $r = curfew(child => passing('web:web', $one, $two), policy => <<"LUA");
local curfew = require "curfew"
local web = curfew.http { name = "web", listen = $list, handler = function() return "web" end }
curfew.on("SIGUSR1", curfew.reload)
web:post_start(function() curfew.log.info("> at " .. web.address) end)
LUA
	like($r->wait_log(qr/> at ([^\n]+)/), qr/^\Q${\ at($one)}, ${\ at($two)}\E(?:, 127|$)/, "$list: all of that name are listened at");
	is((http_get(at($_), '/'))[1], 'web', "$list: and served at ${\ at($_)}") for $one, $two;
	unlike($r->log, qr/no server listens/, "$list: none is left over");
	$r->signal('USR1');
	like($r->wait_log(qr/generation 2 of the policy is in force: ([^\n]+)/), qr/1 unchanged/, "$list: a reload keeps them");
	is((http_get(at($_), '/'))[1], 'web', "$list: and serves at ${\ at($_)}") for $one, $two;
	$r->signal('TERM');
	is($r->wait_exit, 0, "$list: the stop");
}

# a socket in the file system stays
{
	my $path = "$dir/web.sock";
	my $s = IO::Socket::UNIX->new(Type => SOCK_STREAM, Local => $path, Listen => 4) or die "listen: $!";
	my $r = curfew(child => passing(undef, $s), policy => qq(require "curfew".http { name = "web", listen = "unix:$path", handler = function() return "unix" end }));
	$r->wait_log(qr/started 1 server/);
	is((http_get("unix:$path", '/'))[1], 'unix', 'a Unix socket that has the path');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'the stop');
	ok(-S $path, 'leaves it where it is');
}

# what is wrong
for (
	[sub { passing('web', tcp())->() }, 'listen = "systemd:wib"', qr/no socket was passed by the name "wib"; there are web/],
	[sub { }, 'listen = "systemd:web"', qr/no socket was passed by the name "web": it takes a socket unit with FileDescriptorName=web/],
	[sub { passing('web', tcp())->(); $ENV{LISTEN_PID} = 1 }, 'listen = "systemd:web"', qr/no socket was passed by the name "web"/],
	[sub { passing('web', tcp())->(); $ENV{LISTEN_FDS} = 'many' }, 'listen = "systemd:web"', qr/LISTEN_FDS=many: expected a number of sockets/],
	[sub { passing('web', tcp())->(); $ENV{LISTEN_FDS} = 2; POSIX::close(4) }, 'listen = "systemd:none"', qr/LISTEN_FDS: descriptor 4 (?:is not open|\(unknown\) is no listening)/],
	[sub { socket(my $d, AF_UNIX, SOCK_DGRAM, 0); passing('web', $d)->() }, 'listen = "systemd:web"', qr/descriptor 3 \(web\) is no listening stream socket/],
	[sub { }, 'listen = "systemd:"', qr/listen: /],
) {
	my ($child, $listen, $said) = @$_;
	my $r = curfew(child => $child, policy => qq(require "curfew".http { name = "w", $listen, handler = print }));
	is($r->wait_exit, 2, "$listen: exit code 2");
	like($r->log, $said, "$listen: the error says why");
	like($r->log, qr/policy\.lua:1/, "$listen: and where");
}

done_testing;
