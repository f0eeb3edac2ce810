#!/usr/bin/perl
# examples/embed/h2o.c: a real server on H2O's library, built as anybody would, with the public header and the shared library.
use strict;
use warnings;
use lib 't/lib';
use Curfew;
use Cwd qw(abs_path);
use Http2;
use KeepAlive;
use Test::More;

my $build = abs_path($ENV{BUILD} || 'build');
plan skip_all => 'a library that needs a sanitizer is not for a plain program' if $ENV{SAN};
plan skip_all => 'H2O is not installed: libh2o-evloop-dev' if system 'pkg-config --exists libh2o-evloop';
system(qw(make -s), "BUILD=" . ($ENV{BUILD} || 'build'), "$build/libcurfew.so") if !-e "$build/libcurfew.so";

my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
my $cc = "cc -Wall -Wextra -Werror -Isrc/include \$(pkg-config --cflags libh2o-evloop | sed 's/-I/-isystem /g') -o $dir/h2o "
	. "examples/embed/h2o.c -L$build -Wl,-rpath,$build -lcurfew \$(pkg-config --libs libh2o-evloop) 2>&1";
my $said = `$cc`;
is $?, 0, 'it builds without a warning' or BAIL_OUT($said =~ s{\n}{ | }gr);
my $lines = grep { /\S/ } split /\n/, slurp('examples/embed/h2o.c');
cmp_ok $lines, '<', 150, "in less than 150 lines: $lines";

sub host {
	my $h = curfew(child => sub { exec "$dir/h2o", $_[0] // $ENV{POLICY}, 0 or POSIX::_exit(98) }, env => { POLICY => abs_path('examples/embed/h2o.lua') });
	wait_until(sub { $h->output =~ /127\.0\.0\.1:(\d+)/ and $h->{port} = $1 or $h->ended_now }) or die $h->log;
	die $h->log unless $h->{port};
	$h->{at} = "127.0.0.1:$h->{port}";
	return $h;
}

my $h = host();
is +(http_get($h->{at}, '/'))[1], "hello\n", 'it serves';
my $load = KeepAlive->new(port => $h->{port}, clients => 16, again => 1);
$load->run(sub { $load->{done} > 1000 }, 30);
my $before = $load->{done};
cmp_ok $before, '>', 1000, 'under load';
$h->signal('TERM');
my $at_hook;
$load->run(sub { $at_hook //= $load->{done} if $h->log =~ /> pre_stop/; defined $at_hook && $load->{done} > $at_hook + 100 }, 30);
cmp_ok $load->{done}, '>', $at_hook + 100, 'the hook runs and requests are served meanwhile';
$load->run(sub { 0 }, 30);
is $load->{failed}, 0, "none of $load->{done} requests failed" or diag explain $load->{reasons};
is $h->wait_exit, 0, 'code 0';
is_deeply $h->marks, [ 'pre_stop', 'post_stop' ], 'the hooks ran, in order';

$h = host();
my $never = connect_to($h->{at});
print $never "GET /never HTTP/1.1\r\nHost: x\r\n\r\n";
http_get($h->{at}, '/') for 1 .. 2;
$h->signal('TERM');
is $h->wait_exit, 255, 'a request that never ends is cut at the exit timeout, code 255';
like $h->log, qr/web: 1 requests are cut off/, 'and said so';
is_deeply [ $h->left_behind ], [], 'nothing is left';

SKIP: {
	skip 'curl has no HTTP/2', 3 if `curl -V` !~ /HTTP2/;
	$h = host();
	my $pid = open my $curl, '-|', "curl -sv --http2-prior-knowledge --max-time 20 http://$h->{at}/slow 2>&1" or die;
	my $out = '';
	wait_until(sub { sysread $curl, $out, 65536, length $out; $out =~ m{^> GET /slow}m });
	$h->signal('TERM');
	1 while sysread $curl, $out, 65536, length $out;
	close $curl;
	is $?, 0, 'HTTP/2: a request that is under way when the stop begins is answered, and curl is content' or diag $out;
	like $out, qr{^< HTTP/2 200}m, 'with 200';
	is $h->wait_exit, 0, 'code 0';
}

$h = host();
my $kept = Http2->new($h->{port});
ok $kept->is_served($kept->ask('/')), 'HTTP/2: a connection serves';
my $slow = $kept->ask('/slow');
$h->signal('TERM');
ok $kept->until(sub { @{ $_[0]{goaway} } }), 'the stop tells it to go elsewhere';
ok $kept->is_served($slow), 'what it had asked for is served';
$kept->until(sub { $_[0]{closed} });
is_deeply [ grep { $_->[1] } @{ $kept->{goaway} } ], [], 'without an error';
is $h->wait_exit, 0, 'code 0';

done_testing;
