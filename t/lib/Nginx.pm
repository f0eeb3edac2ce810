# Nginx.pm: the real nginx with the module that this tree has built, in a directory of its own; nothing is left behind.
package Nginx;
use strict;
use warnings;
use Cwd qw(abs_path);
use Exporter 'import';
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Time::HiRes qw(time);
use Test::More;

use Curfew;

our @EXPORT = qw(nginx free_port);

my $build = abs_path($ENV{BUILD} || 'build');
our $MODULE = "$build/nginx/ngx_curfew_module.so";
our $LIBRARY = "$build/libcurfew.so.0";
our $BIN_NGINX = (grep { -x } '/usr/sbin/nginx', '/usr/local/nginx/sbin/nginx')[0];
my @running;

# Skip a whole file where nginx, or what the module is built with, is not installed; else see to it that the module is built.
sub require_module {
	plan skip_all => 'nginx is not installed' unless $BIN_NGINX;
	plan skip_all => 'nginx-dev is not installed: the module cannot be built' unless -e '/usr/share/nginx/src/configure';
	return if -e $MODULE and -e $LIBRARY;
	plan skip_all => 'make nginx-module has not been run';
}

sub free_port {
	my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 0, Proto => 'tcp', Listen => 1) or die "no port: $!";
	return $s->sockport;
}

# nginx(policy => "lua", main => "directives", curfew => "its directives", http => "…", server => "…", workers => 1, daemon => 0,
#       load => [paths before ours], after => [paths after it], plain => 1: without the module)
sub nginx {
	my (%o) = @_;
	my $self = bless { dir => File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1), workers => 1, %o }, 'Nginx';
	my $dir = "$self->{dir}";
	chmod 0755, $dir;
	$self->{port} //= free_port();
	$self->{pidfile} = "$dir/nginx.pid";
	mkdir "$dir/$_" for qw(tmp html);
	chmod 0777, "$dir/tmp";
	spew("$dir/html/index.html", "hello\n");
	spew("$dir/html/big", 'x' x (4 << 20));
	spew("$dir/marks", '');
	chmod 0666, "$dir/marks";
	$self->write_conf;
	return $self if $o{unstarted};
	return $self->start;
}

sub write_conf {
	my ($self, %o) = @_;
	$self->{$_} = $o{$_} for keys %o;
	my $dir = "$self->{dir}";
	spew("$dir/policy.lua", $self->{policy} =~ s/\bPORT\b/$self->{port}/gr) if defined $self->{policy};
	my $load = join '', map { "load_module $_;\n" } @{ $self->{load} || [] }, $self->{plain} ? () : $MODULE, @{ $self->{after} || [] };
	my $ours = $self->{plain} ? '' : "curfew_library $LIBRARY;\n"
		. (defined $self->{policy} ? "curfew_policy policy.lua;\n" : '') . ($self->{curfew} // '');
	my $user = $> == 0 ? ($self->{user} // 'user root;') : '';
	my ($daemon, $master) = ($self->{daemon} ? 'on' : 'off', $self->{single} ? 'off' : 'on');
	my $main = $self->{main} // '';
	my $http = $self->{http} // '';
	my $server = $self->{server} // '';
	my $events = $self->{events} // '';
	my $listen = $self->{listen} // "listen 127.0.0.1:$self->{port};";
	spew("$dir/nginx.conf", <<"C");
$load
$user
daemon $daemon;
master_process $master;
worker_processes $self->{workers};
pid $self->{pidfile};
error_log $dir/error.log @{[ $self->{level} // 'info' ]};
env CURFEW_TEST;
env LD_PRELOAD;
env ASAN_OPTIONS;
$ours
$main
events { worker_connections 512; $events }
http {
	access_log off;
	client_body_temp_path $dir/tmp/body;
	proxy_temp_path $dir/tmp/proxy;
	fastcgi_temp_path $dir/tmp/fastcgi;
	uwsgi_temp_path $dir/tmp/uwsgi;
	scgi_temp_path $dir/tmp/scgi;
	$http
	server {
		$listen
		root $dir/html;
		location = /hello { return 200 "hello\\n"; }
		location = /state { add_header X-State \$curfew_state always; return 200 "\$curfew_state \$pid\\n"; }
		location = /status { curfew_status; }
		location = /slow { limit_rate 2m; alias $dir/html/big; }
		$server
	}
}
C
	my $text = slurp("$dir/nginx.conf");
	$text =~ s/^.*curfew_st.*\n//mg if $self->{plain};
	spew("$dir/nginx.conf", $text);
	return $self;
}

# In a child that becomes nginx. The runtimes of the sanitizers that the library is built with have to be there before it.
sub prepare {
	my ($self) = @_;
	$ENV{CURFEW_TEST} = "$self->{dir}";
	return if !$ENV{SAN};
	$ENV{ASAN_OPTIONS} = join ':', grep { defined } $ENV{ASAN_OPTIONS}, 'detect_leaks=0';
	$ENV{LD_PRELOAD} = join ' ', map { my $path = `cc -print-file-name=$_`; chomp $path; $path } qw(libasan.so libubsan.so);
	return;
}

sub argv { my ($self, @more) = @_; return ($BIN_NGINX, '-p', "$self->{dir}", '-c', "$self->{dir}/nginx.conf", '-e', "$self->{dir}/error.log", @more) }

sub start {
	my ($self) = @_;
	my $dir = "$self->{dir}";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$self->prepare;
		open STDIN, '<', '/dev/null';
		open STDOUT, '>>', "$dir/out";
		open STDERR, '>>', "$dir/out";
		$SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE CHLD);
		exec { $BIN_NGINX } $self->argv or POSIX::_exit(98);
	}
	$self->{pid} = $pid;
	push @running, $self;
	if ($self->{daemon}) {
		waitpid $pid, 0;
		$self->{pid} = 0;
		wait_until(sub { $self->{pid} = $self->master }) or die "nginx did not start:\n" . $self->log;
	}
	wait_until(sub { $self->{http2} ? connect_to("127.0.0.1:$self->{port}") : $self->get('/hello') or $self->gone }) or die "nginx does not answer:\n" . $self->log;
	wait_until(sub { $self->are_up or $self->gone }) or die "not all workers came up:\n" . $self->log;
	die "nginx has ended:\n" . $self->log if $self->gone;
	return $self;
}

# (exit code, output) of nginx with these arguments: -t, -s reload.
sub command {
	my ($self, @args) = @_;
	my $out = "$self->{dir}/command";
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		$self->prepare;
		open STDOUT, '>', $out;
		open STDERR, '>&', \*STDOUT;
		exec { $BIN_NGINX } $self->argv(@args) or POSIX::_exit(98);
	}
	waitpid $pid, 0;
	return ($? >> 8, slurp($out));
}

sub log { my ($self) = @_; return (slurp("$self->{dir}/error.log") // '') . (slurp("$self->{dir}/out") // '') }
sub master { my ($self) = @_; my ($pid) = (slurp($self->{pidfile}) // '') =~ /^(\d+)/; return $pid }
sub get { my ($self, $path, %o) = @_; my ($status, $body, $head) = http_get("127.0.0.1:$self->{port}", $path, %o) or return; return wantarray ? ($status, $body, $head) : $body }

# Lines that policies have written with mark(), in order.
sub marks { my ($self) = @_; return split /\n/, slurp("$self->{dir}/marks") // '' }

# The workers: children of the master that still run and call themselves so.
# All workers are there, and have the module's signals: one that is asked to stop before that does it by itself.
sub are_up {
	my ($self) = @_;
	return 1 if $self->{single} || $self->{daemon};
	my @workers = $self->workers;
	return if @workers < $self->{workers};
	return 1 if $self->{plain} || !defined $self->{policy} || $self->log =~ /serves without the policy|failed to start/;
	my $chld = 1 << 16; # SIGCHLD is the one that they give back
	return !grep { my ($caught) = (slurp("/proc/$_/status") // '') =~ /^SigCgt:\s+(\w+)/m; !$caught or hex(substr $caught, -8) & $chld } @workers;
}
sub workers {
	my ($self, $master) = @_;
	$master //= $self->{pid};
	my @pids;
	for my $stat (glob '/proc/[0-9]*/stat') {
		my ($pid, $ppid) = (slurp($stat) // '') =~ /^(\d+) \(nginx\) [^Z] (\d+)/ or next;
		next unless $ppid == $master;
		push @pids, $pid if (slurp("/proc/$pid/cmdline") // '') =~ /^nginx: worker process/;
	}
	@pids = sort { $a <=> $b } @pids;
	return @pids;
}

sub signal { my ($self, $sig) = @_; $self->{signalled} //= time; kill $sig, $self->{pid}; return $self }

# Has the process that was started (or the daemon) ended?
sub gone {
	my ($self) = @_;
	return 1 if defined $self->{status};
	if ($self->{daemon}) {
		return !(slurp("/proc/$self->{pid}/stat") // '') || (slurp("/proc/$self->{pid}/stat") =~ /\) Z /) if $self->{pid};
		return 0;
	}
	return 0 unless waitpid($self->{pid}, POSIX::WNOHANG()) == $self->{pid};
	$self->{status} = $?;
	$self->{ended} = time;
	return 1;
}

sub wait_exit {
	my ($self, $patience) = @_;
	wait_until(sub { $self->gone }, $patience) or die "nginx did not end:\n" . $self->log;
	return $self->{daemon} ? 0 : $self->{status} & 127 ? 128 + ($self->{status} & 127) : $self->{status} >> 8;
}
sub took { my ($self) = @_; return $self->{ended} - $self->{signalled} }

sub wait_log {
	my ($self, $re, $patience) = @_;
	my $hit;
	wait_until(sub { $self->log =~ $re and $hit = defined $1 ? $1 : 1 }, $patience) or die "no $re in the log:\n" . $self->log;
	return $hit;
}
sub wait_marks {
	my ($self, $re, $n) = @_;
	wait_until(sub { (grep { /$re/ } $self->marks) >= ($n // 1) }) or die "no $re in the marks:\n" . join("\n", $self->marks) . "\n" . $self->log;
}

# What no run may ever log.
sub sound {
	my ($self, $name) = @_;
	my @bad = grep { /\[(?:alert|emerg|crit)\]|exited on signal|open socket #/ } split /\n/, $self->log;
	ok(!@bad, $name // 'the log has no alert') or diag join "\n", @bad;
}

# The beginning of each policy: mark(text) writes a line that marks() reads.
sub prelude {
	return <<'L';
local curfew = require "curfew"
local function mark(fmt, ...)
	local f = assert(io.open(os.getenv "CURFEW_TEST" .. "/marks", "a"))
	f:write(fmt:format(...), "\n")
	f:close()
end
local nginx = curfew.find "nginx"
L
}

# All processes of a run: masters name its directory in their title, workers are their children.
sub family {
	my ($self) = @_;
	my (%parent, %ours);
	for my $proc (glob '/proc/[0-9]*') {
		my ($pid) = $proc =~ /(\d+)/;
		my ($state, $ppid) = (slurp("$proc/stat") // '') =~ /\) (\S) (\d+)/ or next;
		next if $state eq 'Z';
		$parent{$pid} = $ppid;
		$ours{$pid} = 1 if (slurp("$proc/cmdline") // '') =~ /\Q$self->{dir}\E/;
	}
	$ours{$_} = 1 for grep { kill 0, $_ } @{ $self->{seen} || [] };
	for (1 .. 3) {
		$ours{$_} = 1 for grep { $ours{ $parent{$_} } } keys %parent;
	}
	delete $ours{$$};
	return sort keys %ours;
}

END {
	my $code = $?;
	for my $r (@running) {
		for (1 .. 100) {
			my @left = $r->family;
			waitpid $r->{pid}, POSIX::WNOHANG() if $r->{pid} and !$r->{daemon} and !defined $r->{status};
			last unless @left;
			push @{ $r->{seen} }, @left;
			kill 'KILL', @left;
			select undef, undef, undef, 0.02;
		}
	}
	$? = $code;
}

1;
