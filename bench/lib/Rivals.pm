# Rivals.pm: how others are set up to do what curfew is measured at. Who is not installed is listed all the same.
package Rivals;
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();

my %path;    # of what was found
my $modules; # where exiting and @hapi/hapi are
my %origins; # process ids of those that run
END { kill TERM => keys %origins if %origins }

sub find {
	my ($bin) = @_;
	for my $name (qw(nginx haproxy tini dumb-init s6-svscan runsvdir sv supervisord node)) {
		($path{$name}) = grep { -x } map { "$_/$name" } split(/:/, $ENV{PATH}), qw(/usr/sbin /sbin);
	}
	($modules) = grep { -d "$_/exiting" && -d "$_/\@hapi/hapi" } "$bin/node_modules";
	$path{exiting} = $path{node} if $modules;
	return;
}

sub found { my ($program) = @_; return defined $path{$program} }

sub versions {
	my %ask = (
		nginx => '-v', haproxy => '-v', tini => '--version', 'dumb-init' => '--version', supervisord => '--version', node => '--version'
	);
	my @v;
	for my $name (grep { $path{$_} } sort keys %ask) {
		my ($v) = qx{$path{$name} $ask{$name} 2>&1} =~ /(\d+\.\d+[.\d]*)/;
		push @v, "$name $v";
	}
	return @v;
}

# A contestant: run takes what is known of the run and returns command, env, signal and after (called at the end).
sub rival {
	my ($name, $program, $run, %more) = @_;
	return { name => $name, rival => 1, program => $program, run => $run, %more };
}

sub put {
	my ($file, $text) = @_;
	open my $f, '>', $file or die "$file: $!\n";
	print $f $text;
	close $f or die "$file: $!\n";
	return $file;
}

sub free_port {
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp') or die "no free port: $!\n";
	return $s->sockport;
}

# An origin for the proxies that answers after 20 ms; the second value ends it.
sub origin {
	my ($x) = @_;
	my $port = free_port();
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		exec "$x->{bin}/min_http", 20, $port or POSIX::_exit(127);
	}
	$origins{$pid} = 1;
	for (1 .. 1000) {
		last if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Proto => 'tcp');
		select undef, undef, undef, .005;
	}
	return ($port, sub { kill TERM => $pid; waitpid $pid, 0; delete $origins{$pid} });
}

# ---- HTTP servers

sub nginx {
	my ($x, $location, $upstream) = @_;
	my $listen = join '', map { "listen 127.0.0.1:$_;\n" } @{ $x->{ports} };
	my $temp = join '', map { "${_}_temp_path $x->{dir}/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
	my $conf = put("$x->{dir}/nginx.conf", <<"END");
daemon off;
pid $x->{dir}/nginx.pid;
error_log /dev/null;
worker_processes 1;
worker_rlimit_nofile 8192;
events { worker_connections 8192; }
http {
	access_log off;
	keepalive_requests 1000000;
	$temp
	$upstream
	server { $listen location / { $location } }
}
END
	return [ $path{nginx}, '-c', $conf, '-e', '/dev/null' ];
}

sub haproxy {
	my ($x, $backend) = @_;
	my $bind = join '', map { "bind 127.0.0.1:$_\n" } @{ $x->{ports} };
	my $conf = put("$x->{dir}/haproxy.cfg", <<"END");
global
maxconn 4000
nbthread 1
defaults
mode http
timeout client 60s
timeout connect 5s
timeout server 60s
frontend f
$bind
$backend
END
	return [ $path{haproxy}, '-db', '-f', $conf ];
}

sub exiting {
	my (%env) = @_;
	return sub {
		my ($x) = @_;
		return { command => [ $path{node}, "$x->{here}/exiting.js" ], env => { BENCH_N => '', BENCH_MODULES => $modules, %env } };
	};
}

sub http_servers {
	my $answer = 'http-request return status 200 content-type text/plain string "ok"';
	return (
		rival('nginx', 'nginx', sub { { command => nginx($_[0], 'return 200 "ok\n";', '') } }),
		rival('haproxy', 'haproxy', sub { { command => haproxy($_[0], $answer) } }),
		rival('exiting + hapi', 'exiting', exiting()),
	);
}

sub drains {
	my $pass = 'proxy_pass http://o; proxy_http_version 1.1; proxy_set_header Connection "";';
	my $nginx = sub {
		my ($x) = @_;
		my ($port, $end) = origin($x);
		my $command = nginx($x, $pass, "upstream o { server 127.0.0.1:$port; keepalive 1024; }");
		return { command => $command, signal => POSIX::SIGQUIT, after => $end };
	};
	my $haproxy = sub {
		my ($x) = @_;
		my ($port, $end) = origin($x);
		my $command = haproxy($x, "default_backend b\nbackend b\nserver o 127.0.0.1:$port");
		return { command => $command, signal => POSIX::SIGUSR1, after => $end };
	};
	return (
		rival('nginx (QUIT), before an origin', 'nginx', $nginx),
		rival('haproxy (USR1), before an origin', 'haproxy', $haproxy),
		rival('exiting + hapi', 'exiting', exiting(BENCH_DELAY => 20)),
	);
}

sub hooks { return rival('exiting + hapi, 1,000 servers', 'exiting', exiting(BENCH_N => 1000), slow => 1) }

# ---- inits and supervisors

sub inits {
	return map { my $name = $_; rival($name, $name, sub { { command => [ $path{$name}, '--', $_[0]{child} ] } }) } qw(tini dumb-init);
}

sub supervisord {
	my ($x) = @_;
	return supervisord_with($x, "[program:child]\ncommand=$x->{child}\nnumprocs=$x->{n}\nprocess_name=%(process_num)d");
}

# programs: a list of sections.
sub supervisord_with {
	my ($x, @programs) = @_;
	my $silent = "stdout_logfile=NONE\nstderr_logfile=NONE\n";
	my $conf = put("$x->{dir}/supervisord.conf", <<"END" . join '', map { "$_\n$silent" } @programs);
[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=$x->{dir}/pid
minfds=8192
END
	return { command => [ $path{supervisord}, '-n', '-c', $conf ] };
}

# A folder a child, whose run is the child itself, or with places a script that tells the child its own. It finds its marks in the
# environment. more writes what else belongs into such a folder.
sub services {
	my ($x, %o) = @_;
	mkdir "$x->{dir}/s" or die "$x->{dir}/s: $!\n";
	for my $i (1 .. $x->{n}) {
		my $service = "$x->{dir}/s/$i";
		mkdir $service or die "$service: $!\n";
		if ($o{places}) {
			chmod 0755, put("$service/run", "#!/bin/sh\nexec $x->{child} $i\n");
		} else {
			symlink $x->{child}, "$service/run" or die "symlink: $!\n";
		}
		$o{more}->($service) if $o{more};
	}
	return "$x->{dir}/s";
}

sub s6 { my ($x, @o) = @_; return { command => [ $path{'s6-svscan'}, '-c', 2000, '-t', 0, services($x, @o) ] } }
sub runit { my ($x, @o) = @_; return { command => [ $path{runsvdir}, services($x, @o) ], signal => POSIX::SIGHUP } }

my @idle = (idle => 1500); # what ends within a second of its start, these make wait for a second

sub supervisors {
	my ($n) = @_;
	return (
		rival('s6', 's6-svscan', sub { s6($_[0]) }, @idle, slow => $n > 100),
		rival('runit', 'runsvdir', sub { runit($_[0]) }, @idle, slow => $n > 100),
		rival('supervisord', 'supervisord', \&supervisord, @idle, slow => 1),
	);
}

# supervisord has priorities, by which it starts, and stops in reverse; s6 without s6-rc (which Debian 12 lacks) and runit have no
# order of stopping.
sub chains {
	my $supervisord = sub {
		my ($x) = @_;
		return supervisord_with($x, map { "[program:child-$_]\ncommand=$x->{child} $_\npriority=$_" } 1 .. $x->{n});
	};
	return (
		rival('s6, which has no order', 's6-svscan', sub { s6($_[0], places => 1) }, @idle),
		rival('runit, which has no order', 'runsvdir', sub { runit($_[0], places => 1) }, @idle),
		rival('supervisord, by priority', 'supervisord', $supervisord, @idle, slow => 1),
	);
}

# runsvdir's HUP waits for as long as it takes; who wants a bound calls sv force-stop first, as Debian's runit does at shutdown.
sub stubborn {
	my $forced = sub {
		my ($x) = @_;
		my $services = services($x);
		my $script = put("$x->{dir}/forced", <<"END");
$path{runsvdir} $services & pid=\$!
trap '$path{sv} -w 1 force-stop $services/*; kill -HUP \$pid; wait \$pid; exit 0' TERM
while :; do wait \$pid; done
END
		return { command => [ '/bin/sh', $script ] };
	};
	my $supervisord = sub { supervisord_with($_[0], "[program:child]\ncommand=$_[0]{child}\nstopwaitsecs=1") };
	return (
		inits(), rival('s6, timeout-kill 1000', 's6-svscan', sub { s6($_[0], more => sub { put("$_[0]/timeout-kill", "1000\n") }) }, @idle),
		rival('runit', 'runsvdir', sub { runit($_[0]) }, @idle, slow => 1),
		rival('runit, sv -w 1 force-stop', 'runsvdir', $forced, @idle),
		rival('supervisord, stopwaitsecs 1', 'supervisord', $supervisord, @idle, slow => 1),
	);
}

1;
