# Faults.pm: one run from the start over a request and a reload to the stop, in which one thing fails, and what is wrong with it.
package Faults;
use strict;
use warnings;
use Errno ();
use Exporter 'import';
use FindBin;
use IO::Select;
use POSIX ();
use Time::HiRes qw(time sleep);
use Curfew;

our @EXPORT = qw(calls_of points at_point allocations at_allocation spread $TRACER);

our $SCARCE = ($ENV{BUILD} || 'build') . '/t/faults/scarce.so';
our $TRACER = ($ENV{BUILD} || 'build') . '/t/faults/inject';
my $EXIT_TIMEOUT = 1.5;
our $SLACK = 1.5 * ($ENV{FAULTS_PATIENCE} || 1); # seconds for a machine that is busy

my $POLICY = <<"END";
local curfew = require "curfew"
curfew.configure {
  exit_timeout = "${EXIT_TIMEOUT}s", stop_margin = "300ms", stall_limit = "2s", start_timeout = "2s", control = "control.sock",
}
local function mark(text)
  curfew.log.info("> " .. text)
  local f <close> = io.open("marks", "a")
  if f then f:write(text, "\\n") end
end
local web = curfew.http {
  name = "web", listen = "unix:web.sock", idle_grace = "1ms", routes = { ["GET /"] = function() return "hello\\n" end },
}
local tcp = curfew.tcp {
  name = "tcp", listen = "127.0.0.1:0", handler = function(conn) for chunk in conn:chunks() do conn:write(chunk) end end,
}
local job = curfew.process { name = "job", command = { "sleep", "600" } }
web:after(job)
for _, s in ipairs { web, tcp, job } do
  s:post_start(function() mark("up " .. s.name) end)
  s:pre_stop(function() mark("pre_stop " .. s.name) end)
end
curfew.on("SIGHUP", curfew.reload)
END
my @SERVERS = qw(web tcp job);
my %OURS = map { $_ => 1 } qw(policy.lua stderr stdout nobody marks report box box.old count hit); # a box that cannot be read is kept beside the new one

# { call => [errno names] }, from the table.
sub errnos {
	my %of;
	for (split /\n/, slurp("$FindBin::Bin/errnos")) {
		next if /^#/;
		my ($call, @names) = split;
		$of{$call} = [ grep { $_ ne '-' } @names ];
	}
	return \%of;
}

sub absolute { my ($path) = @_; return $path =~ m{^/} ? $path : POSIX::getcwd() . "/$path" }

# Under the tracer when the variables are meant for it.
sub spawn_run {
	my (%env) = @_;
	my $traced = grep { /^INJECT_/ } keys %env;
	%env = (%env, CURFEW => absolute($BIN), INJECT_REPORT => 'report') if $traced;
	local $Curfew::BIN = absolute($traced ? $TRACER : $BIN);
	my $r = curfew(policy => $POLICY, before => [ '--black-box', 'box' ], env => \%env);
	$r->{traced} = $traced;
	return $r;
}

sub next_phase {
	my ($r) = @_;
	kill 'USR1', $r->{pid} if $r->{traced};
}

# How often each mark was made: in the log or on disk, for one of them may be what failed.
sub marks_of {
	my ($r) = @_;
	my (%log, %disk, %n);
	$log{$_}++ for @{ $r->marks };
	$disk{$_}++ for split /\n/, (slurp("$r->{dir}/marks") // '');
	$n{$_} = ($log{$_} // 0) > ($disk{$_} // 0) ? $log{$_} : $disk{$_} for keys %log, keys %disk;
	return \%n;
}

sub all_up {
	my ($r) = @_;
	my $n = marks_of($r);
	return 3 == grep { $n->{"up $_"} } @SERVERS;
}

# One request. What becomes of it is no matter here.
sub ask {
	my ($r) = @_;
	my $s = connect_to("unix:$r->{dir}/web.sock") or return;
	local $SIG{PIPE} = 'IGNORE';
	syswrite $s, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	my $sel = IO::Select->new($s);
	while ($sel->can_read(0.5)) {
		sysread $s, my $text, 4096 or last;
	}
}

sub below { my ($pid) = @_; return split ' ', (slurp("/proc/$pid/task/$pid/children") // '') }

# The whole run under these variables, of the tracer or for the allocator. How it ends: by a "stop", or by a "crash" of the
# orchestrator.
sub whole_run {
	my ($how, %env) = @_;
	my $r = spawn_run(%env);
	$r->{how} = $how;
	wait_until(sub { all_up($r) or $r->ended_now }, 2 + $SLACK);
	$r->{up} = all_up($r);
	if (!$r->ended_now) {
		next_phase($r);
		ask($r) if $r->{up};
		kill 'HUP', $r->{pid};
		wait_until(sub { $r->log =~ /reload: generation 2|(?:WARN|ERROR) +.*reload|SIGHUP: (?!reload)/ or $r->ended_now }, $r->{up} ? 1 : 0.05);
		$r->{reloaded} = $r->log =~ /reload: generation 2/;
		next_phase($r);
		$r->{signalled} = time;
		if ($how eq 'crash') {
			my $pid = $r->{traced} ? (below($r->{pid}))[0] : $r->{pid};
			kill 'KILL', $_ for below($pid); # the orchestrator, which is the guardian's only child
		} else {
			$r->signal('TERM');
		}
	}
	$r->{in_time} = eval { $r->{code} = $r->wait_exit($EXIT_TIMEOUT + $SLACK); 1 };
	$r->{report} = slurp("$r->{dir}/report") // '';
	return $r;
}

# What is wrong with a run that is over; an empty list: nothing.
sub complaints {
	my ($r, $call) = @_;
	my @wrong;
	return 'not over in time' unless $r->{in_time};
	my ($log, $n, $code) = ($r->log, marks_of($r), $r->{code});
	push @wrong, "signal $1 ended $2" while $r->{report} =~ /^died (?!9 )(\d+) (.*)$/mg;
	push @wrong, "$1 is left" while $r->{report} =~ /^left (.*)$/mg;
	push @wrong, "code $code" if $code >= 128 && $code != 255 && $r->{report} !~ /^died/m;
	push @wrong, "$1" if $log =~ /(ended by SIG(?:ABRT|BUS|FPE|ILL|SEGV|TRAP|PIPE|SYS))/;
	push @wrong, "code $code after a crash" if $r->{how} eq 'crash' && $r->{up} && $code != 137 && $code != 255 && $log =~ /exiting without stopping/;
	push @wrong, 'the loop stalled' if $log =~ /the loop stalled/;
	my $started = 0;
	for my $s (@SERVERS) {
		# A hook whose mark could not be made did run.
		my $ran = $n->{"pre_stop $s"} // ($log =~ /\b$s: pre_stop .* failed/ ? 1 : 0);
		my $was = $log =~ /\b$s: started/;
		$started++ if $was or $n->{"up $s"};
		push @wrong, "pre_stop of $s ran $ran times" if $ran > 1 or ($was && $ran != 1);
	}
	my ($error) = grep { !/reload: refused|request failed/ } $log =~ /(.*\bERROR\b.*)/g;
	push @wrong, "code 0, though only $started servers were started" if $code == 0 && $started < 3;
	push @wrong, "code 0, though $error" if $code == 0 && defined $error;
	push @wrong, "code $code, and no word of why" if $code != 0 && $log !~ /curfew: |WARN|ERROR/;
	my @pids = $r->left_behind;
	push @wrong, "processes left: @pids" if @pids;
	opendir my $dir, "$r->{dir}" or die;
	my @files = grep { !/^\.\.?$/ && !$OURS{$_} } readdir $dir;
	# A socket file of which it cannot be told whose it is now stays; the next start takes it over.
	my $may_stay = $call =~ /^unlink/ || ($call =~ /^(?:newfstatat|socket|connect)$/ && $r->{phase} == 2);
	push @wrong, "files left: @files" if @files && !$may_stay;
	return @wrong;
}

# Let PHASE WHO CALL N ERRNO fail: (run, complaints).
sub at_point {
	my ($point, $how) = @_;
	my ($phase, $who, $call, $n, $errno) = split ' ', $point;
	no strict 'refs';
	my $number = &{"Errno::$errno"}();
	my $r = whole_run($how // 'stop', INJECT_FAIL => "$phase $who $call $n $number");
	$r->{phase} = $phase;
	$r->{hit} = $r->{report} =~ /^hit/m;
	return ($r, complaints($r, $call));
}

# The calls of a run in which nothing fails: "PHASE WHO CALL N"; of one that ends by a crash, those from there on.
sub calls_of {
	my $how = shift // 'stop';
	my $r = whole_run($how, INJECT_COUNT => 1);
	my @wrong = complaints($r, '');
	push @wrong, "code $r->{code}" if $r->{in_time} && $r->{code} != ($how eq 'crash' ? 137 : 0);
	push @wrong, 'no reload' unless $r->{reloaded};
	die "nothing fails, and yet: @wrong\n" . $r->log if @wrong;
	return grep { $how eq 'stop' || /^2/ } $r->{report} =~ /^call (.*)$/mg; # until then they are the same
}

# Each call with each errno that it can fail with; dies when the table does not know one.
sub points {
	my (@calls) = @_;
	my $of = errnos();
	return map {
		my $call = $_;
		my $name = (split ' ', $call)[2];
		my $names = $of->{$name} or die "t/faults/errnos does not have $name\n";
		map { "$call $_" } @$names
	} @calls;
}

# How many allocations a run has, of the guardian and of the orchestrator, in which none fails: "WHO N" each.
sub allocations {
	my $r = whole_run('stop', LD_PRELOAD => absolute($SCARCE), SCARCE_COUNT => 'count');
	die "no allocation fails, and yet: code $r->{code}\n" . $r->log if $r->{code} || !$r->{reloaded};
	my %most = (slurp("$r->{dir}/count") // '') =~ /^(\d+) (\d+)$/mg;
	return map { my $who = $_; map { "$who $_" } 1 .. $most{$who} } sort keys %most;
}

# Let the allocation "WHO N" fail: (run, complaints).
sub at_allocation {
	my ($point) = @_;
	my ($who, $n) = split ' ', $point;
	my $r = whole_run('stop', LD_PRELOAD => absolute($SCARCE), SCARCE_WHO => $who, SCARCE_AT => $n, SCARCE_HIT => 'hit');
	$r->{hit} = -e "$r->{dir}/hit";
	return ($r, complaints($r, ''));
}

# COUNT of them, in the same distances, from a place that the seed tells.
sub spread {
	my ($count, $seed, @of) = @_;
	return @of if $count >= @of;
	my $step = @of / $count;
	my $from = $seed * 0.6180339887498949;
	$from = ($from - int $from) * $step;
	return map { $of[int($from + $_ * $step)] } 0 .. $count - 1;
}

1;
