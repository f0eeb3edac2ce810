# Setups.pm: how each program is set up here, after its own documentation.
package Setups;
use strict;
use warnings;
use Exporter 'import';
use Field;

our @EXPORT = qw(curfew_policy exiting_hapi supervisord s6 s6_scan runit runit_forced init nginx haproxy find supervisorctl curfew_port);
my %path;

sub find {
	my ($program) = @_;
	$path{$program} //= (grep { -x } map { "$_/$program" } split(/:/, $ENV{PATH}), qw(/usr/sbin /sbin))[0] // '';
	return $path{$program};
}

sub installed {
	my ($program) = @_;
	return 1 if $program eq 'curfew';
	return find('node') && -d "$BUILD/bench/node_modules/exiting" && -d "$BUILD/bench/node_modules/\@hapi/hapi" if $program eq 'exiting';
	my %binary = (s6 => 's6-svscan', runit => 'runsvdir');
	return find($binary{$program} // $program) ne '';
}

my $head = <<'END';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
local function sh(name, script, t)
	t = t or {}
	t.name, t.stdout, t.command = name, "log", { "sh", "-c", script }
	return curfew.process(t)
end
local function web(t)
	t = t or {}
	t.name, t.listen, t.routes = "web", "127.0.0.1:0", { ["GET /"] = function() return "ok\n" end }
	for _, ms in ipairs { 300, 1000, 60000 } do
		t.routes["GET /" .. ms] = function() curfew.sleep(ms / 1000) return "ok\n" end
	end
	local s = curfew.http(t)
	s:post_start(function() mark("web " .. s.address) end)
	return s
end
END

# curfew run OPTIONS policy.lua. In the policy mark(text) is a line "> text" of the log, sh makes a process, web an HTTP server.
sub curfew_policy {
	my ($lua, @options) = @_;
	my $dir = Field::folder();
	spew("$dir/policy.lua", $head . $lua);
	return start([ $CURFEW, 'run', @options, 'policy.lua' ], dir => $dir);
}

# The port of the HTTP server "web" of such a policy, once it serves.
sub curfew_port { my ($r) = @_; return $r->seen(qr/> web 127\.0\.0\.1:(\d+)/) }

# A script for Node in which Exiting and Hapi are loaded. server(name, handler) makes one; mark(text) is a line "> text" of the log.
sub exiting_hapi {
	my ($js, $port) = @_;
	my $dir = Field::folder();
	spew("$dir/main.js", <<'END' . $js);
'use strict';
const load = require('module').createRequire(process.env.FIELD_MODULES + '/x.js');
const Exiting = load('exiting');
const Hapi = load('@hapi/hapi');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const mark = (text) => console.error('> ' + text);
const server = (handler) => {
	const s = Hapi.server({ host: '127.0.0.1', port: Number(process.env.FIELD_PORT || 0) });
	s.route({ method: 'GET', path: '/{ms?}', handler: handler || (async (req) => { await sleep(Number(req.params.ms || 0)); return 'ok\n'; }) });
	return s;
};
END
	return start([ find('node'), 'main.js' ], dir => $dir, env => { FIELD_MODULES => "$BUILD/bench/node_modules", FIELD_PORT => $port // '' });
}

# programs: { name => "lines of its section" }. Its children write to the log.
sub supervisord {
	my (%programs) = @_;
	my $dir = Field::folder();
	my $text = <<"END";
[supervisord]
nodaemon=true
logfile=/dev/stdout
logfile_maxbytes=0
pidfile=$dir/pid
[unix_http_server]
file=$dir/sock
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://$dir/sock
END
	$text .= "[program:$_]\n$programs{$_}\nstdout_logfile=/dev/stdout\nstdout_logfile_maxbytes=0\nredirect_stderr=true\nstartsecs=0\n"
		for sort keys %programs;
	return start([ find('supervisord'), '-n', '-c', spew("$dir/conf", $text) ], dir => $dir);
}

sub supervisorctl { my ($r, @args) = @_; my $ctl = find('supervisorctl'); return scalar qx{$ctl -c $r->{dir}/conf @args 2>&1} }

# services: { name => { file => content } }; run is a script.
sub services {
	my ($dir, %services) = @_;
	for my $name (keys %services) {
		mkdir "$dir/$_" for 's', "s/$name";
		for my $file (keys %{ $services{$name} }) {
			spew("$dir/s/$name/$file", $services{$name}{$file}, $services{$name}{$file} =~ /^#!/ ? 0755 : 0644);
		}
	}
	return "$dir/s";
}

sub s6 { my (%services) = @_; my $dir = Field::folder(); return start([ find('s6-svscan'), '-t', 0, services($dir, %services) ], dir => $dir) }
sub runit { my (%services) = @_; my $dir = Field::folder(); return start([ find('runsvdir'), services($dir, %services) ], dir => $dir) }

# The same with what Debian's runit does at shutdown: sv force-stop, then HUP.
sub runit_forced {
	my ($wait, %services) = @_;
	my $dir = Field::folder();
	my $s = services($dir, %services);
	my $script = spew("$dir/main", <<"END");
runsvdir $s & pid=\$!
trap 'sv -w $wait force-stop $s/*; kill -HUP \$pid; wait \$pid; exit 0' TERM
while :; do wait \$pid; done
END
	return start([ '/bin/sh', $script ], dir => $dir);
}

# tini or dumb-init, or curfew run --, with a command of the shell.
sub init {
	my ($program, $sh, @options) = @_;
	return start([ $program eq 'curfew' ? ($CURFEW, 'run') : find($program), @options, '--', '/bin/sh', '-c', $sh ]);
}

# Both before an origin, on a port of their own, which comes second.
sub nginx {
	my ($main, $location, @o) = @_;
	my ($dir, $port, $origin) = (Field::folder(), free_port(), origin());
	my $temp = join '', map { "${_}_temp_path $dir/$_;\n" } qw(client_body proxy fastcgi uwsgi scgi);
	spew("$dir/conf", <<"END");
daemon off;
pid $dir/pid;
error_log $dir/log notice;
worker_processes 1;
$main
events { worker_connections 1024; }
http {
	access_log off;
	$temp
	server {
		listen 127.0.0.1:$port;
		location / { proxy_pass http://127.0.0.1:$origin; proxy_http_version 1.1; $location }
	}
}
END
	my $r = start([ find('nginx'), '-c', "$dir/conf", '-e', "$dir/log" ], dir => $dir);
	wait_for(sub { ask($port, '/') =~ / 200 / }) or die "nginx does not serve: " . $r->log;
	return ($r, $port);
}

sub haproxy {
	my ($global, @o) = @_;
	my ($dir, $port, $origin) = (Field::folder(), free_port(), origin());
	spew("$dir/conf", <<"END");
global
	stats socket $dir/sock level admin
$global
defaults
	mode http
	timeout client 60s
	timeout connect 5s
	timeout server 60s
frontend f
	bind 127.0.0.1:$port
	default_backend b
backend b
	server o 127.0.0.1:$origin
END
	my $r = start([ find('haproxy'), @o ? @o : '-db', '-f', "$dir/conf" ], dir => $dir);
	wait_for(sub { ask($port, '/') =~ / 200 / }) or die "haproxy does not serve: " . $r->log;
	return ($r, $port);
}

1;
