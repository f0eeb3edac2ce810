#!/usr/bin/perl
# blackbox.t: --black-box and curfew timeline --file: what happened can be read when nobody is left to ask.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Guarded;
use JSON::PP;
use Test::More;

my $POLICY = <<'LUA';
local curfew = require "curfew"
local function wait_for(name) repeat curfew.sleep "2ms" until curfew.fs.exists(name) end
local db = curfew.server { name = "db", start = function() end, stop = function() end }
local web = curfew.server { name = "web", after = { db }, start = function() end, stop = function() curfew.sleep "20ms" end }
web:pre_stop(function() curfew.log.info "> pre" wait_for "go" end, { name = "drain" })
web:post_stop(function() error("a secret: " .. os.getenv "SECRET") end)
LUA

# curfew timeline …: (exit code, standard output, standard error)
sub timeline {
	my (@args) = @_;
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		open STDOUT, '>', "$dir/out" or POSIX::_exit(99);
		open STDERR, '>', "$dir/err" or POSIX::_exit(99);
		exec { $Curfew::BIN } $Curfew::BIN, 'timeline', @args or POSIX::_exit(98);
	}
	waitpid $pid, 0;
	return ($? >> 8, slurp("$dir/out") // '', slurp("$dir/err") // '');
}

{ # to the end
	my $r = curfew(before => ['--black-box', 'box', '--control', 'control.sock'], policy => $POLICY, env => { SECRET => 'hunter2' });
	$r->wait_log(qr/started 2 servers/);
	is((stat "$r->{dir}/box")[2] & 07777, 0600, 'S10.3: the file is private');
	cmp_ok((stat _)[12] * 512, '>=', 1 << 20, 'and all of its space is there: no write can fail later');
	my ($code, $out, $err) = timeline('--file', "$r->{dir}/box");
	is($code, 1, 'there was no stop yet');
	like($out, qr/^black box of process \d+, begun 20\d\d-\d\d-\d\dT[\d:.]+Z; last entry [^:]+:[\d:.]+Z: no stop has begun/, 'which is said');
	$r->signal('TERM');
	$r->wait_log(qr/> pre/);
	($code, $out) = timeline('--file', "$r->{dir}/box");
	like($out, qr/: it did not come to the end of its stop, or is not there yet\nstop took/, 'in the middle of one');
	my (undef, $live) = http_get("unix:$r->{dir}/control.sock", '/v1/timeline?format=json');
	spew("$r->{dir}/go", '');
	is($r->wait_exit, 1, 'the stop');
	($code, $out, $err) = timeline('--file', "$r->{dir}/box");
	is($code, 0, 'S4.11: afterwards it is there, and says what it was');
	like($out, qr/^black box of process \d+, begun \S+; last entry \S+Z\nstop took \S+ of 5s, code 1, because of SIGTERM\n/, 'with the end');
	like($out, qr/^ +pre_stop drain +\*=/m, 'the hook, on the critical path');
	like($out, qr/^\* it waited for: (?:web \S+ \(\d+%\), )?web pre_stop drain \S+ \(\d+%\)/m, 'and what it cost');
	unlike(slurp("$r->{dir}/box"), qr/hunter2|secret/, 'S10.3: no text of an error is in it');
	my $json = decode_json((timeline('--json', '--file', "$r->{dir}/box"))[1]);
	is(join(' ', $json->{mode}, $json->{cause}, $json->{code}), 'graceful SIGTERM 1', 'as JSON');
	my %cost = map { join('.', grep { defined } $_->{server}, $_->{phase}) => $_->{cost} } @{ $json->{rows} };
	ok($cost{'web.pre_stop'} > 10 * $cost{db}, 'with what each cost the end') or diag explain $json;
	my $sum = 0;
	$sum += $_->{to} - $_->{from} for @{ $json->{path} };
	cmp_ok(abs($sum - $json->{took}), '<', 1e-6, 'the path covers the whole stop');
	my $then = decode_json($live);
	is($then->{rows}[0]{hook} // $then->{rows}[1]{hook}, 'drain', 'the control API has the same form while it runs');
	ok(!$then->{ended} && $json->{ended}, 'and says whether it is over');
	like((timeline('--svg', '--file', "$r->{dir}/box"))[1], qr{^<svg xmlns="http://www\.w3\.org/2000/svg".*</svg>\n\z}s, 'as a picture');
	my $trace = decode_json((timeline('--trace', '--file', "$r->{dir}/box"))[1]);
	my @events = @{ $trace->{traceEvents} };
	is(scalar(grep { !defined $_->{ph} || !defined $_->{pid} || !defined $_->{name} } @events), 0, 'as a trace: each event has what it needs');
	is(scalar(grep { $_->{ph} eq 'X' && ($_->{ts} < 0 || $_->{dur} < 0) } @events), 0, 'no time is negative');
	my %named = map { $_->{tid} => 1 } grep { $_->{name} eq 'thread_name' } @events;
	is(scalar(grep { $_->{ph} eq 'X' && !$named{ $_->{tid} } } @events), 0, 'every thread has a name');
	($code, $out) = timeline('--file', "$r->{dir}/none");
	is($code, 1, 'a file that is not there');
}

# killed: S8.2. What had happened until then is there; with a guardian, what was done for the rest, too.
for my $guard (1, 0) {
	my $how = $guard ? 'with a guardian' : 'without a guardian';
	my $r = curfew(before => ['--black-box', 'box', $guard ? () : '--no-guardian'], policy => $POLICY, env => { SECRET => 'x' });
	$r->wait_log(qr/started 2 servers/);
	$r->signal('TERM');
	$r->wait_log(qr/> pre/);
	kill 'KILL', $guard ? orchestrator($r) : $r->{pid};
	is($r->wait_exit, 137, "$how: killed in the middle of its stop");
	my ($code, $out) = timeline('--file', "$r->{dir}/box");
	is($code, 0, "$how: it can be read");
	like($out, qr/^stop took .* because of SIGTERM\n/m, "$how: the stop that was cut short");
	like($out, qr/^ +pre_stop drain/m, "$how: and the hook that ran");
	$guard ? like($out, qr/^abort took .* code 137, because the orchestrator crashed\n/m, "S8.2: $how: and what was done about it")
		: like($out, qr/it did not come to the end of its stop/, "$how: the end is missing, which is said");
	like($out, qr/^running when it ended: web pre_stop "drain" \(policy\.lua:5\)$/m, "$how: and the hook that it was in is named") if !$guard;
	is(decode_json((timeline('--json', '--file', "$r->{dir}/box"))[1])->{cause}, 'SIGTERM', "$how: as JSON it is the stop that was cut short");
}

# Names are a script's: whatever they are, what is made of them can be read.
{
	# Is it XML: tags that match, attributes quoted, no bare & or <, no character that XML has not? What is in its text.
	my $xml = sub {
		my ($doc) = @_;
		my (@open, $text);
		return 'a character that XML has not' if $doc =~ /[^\t\n\x20-\x{d7ff}\x{e000}-\x{fffd}\x{10000}-\x{10ffff}]/;
		for ($doc =~ /(<[^<>]*>|[^<>]+|[<>])/g) {
			if (m{^<(\w+)(?: [\w:-]+="[^"<&]*")*(/?)>$}) { push @open, $1 if !$2 }
			elsif (m{^</(\w+)>$}) { return "</$1> where <" . ($open[-1] // '') . '> is open' if !@open or pop @open ne $1 }
			elsif (/^[^<>&]*(?:&(?:lt|gt|amp|quot|#\d+);[^<>&]*)*$/) { $text .= $_ }
			else { return "this is no XML: $_" }
		}
		return @open ? "<$open[-1]> is left open" : \$text;
	};
	ok(!ref $xml->($_), "not XML: $_") for '<a>', '<a></b>', '<a>x & y</a>', '<a>1 < 2</a>', "<a>\1</a>", '<a b=c></a>';
	my $r = curfew(before => ['--black-box', 'box', '--no-guardian'], policy => <<'LUA');
local curfew = require "curfew"
for i, name in ipairs { '<script>&amp;"\'', "]]>", "caf\u{e9} \u{1f600}", "a\xff\xfeb", "</text></svg>", "%s%n" } do
	local s = curfew.server { name = name, start = function() end, stop = function() end }
	s:pre_stop(function() end, { name = name .. "&" .. i })
end
curfew.exit(0)
LUA
	is($r->wait_exit, 0, 'servers with strange names');
	my ($code, $svg) = timeline('--svg', '--file', "$r->{dir}/box");
	ok(utf8::decode($svg), 'S10.3: the picture is UTF-8');
	my $text = $xml->($svg);
	ok(ref $text, 'S10.3: and XML') or diag $text, $svg;
	like($$text, qr/&lt;script&gt;&amp;amp;(?:"|&quot;)'/, 'with the names in it') if ref $text;
	like($svg, qr{<title>stop took \S+ of 5s, code 0, }, 'and a title for who does not see it');
	my (undef, $trace) = timeline('--trace', '--file', "$r->{dir}/box");
	my $events = eval { decode_json($trace) };
	$events = $events->{traceEvents} if ref $events eq 'HASH';
	my @at = map { $_->{ts} } grep { defined $_->{ts} } @{ $events || [] };
	ok(@at > 6 && !grep({ $_ < 0 } @at), 'the trace is JSON, with times that begin at the stop') or diag $trace;
	($code, my $out) = timeline('--file', "$r->{dir}/box");
	is($code, 0, 'the chart');
	unlike($out, qr/[\x00-\x09\x0b-\x1f\x7f]/, 'S10.3: has no control characters');
}

# another run keeps the last one's
{
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	my @pids;
	for (1 .. 3) {
		my $r = curfew(before => ['--black-box', "$dir/box", '--no-guardian'], policy => 'require "curfew".exit(0)');
		$r->wait_exit;
		push @pids, $r->{pid};
	}
	like((timeline('--file', "$dir/box"))[1], qr/^black box of process $pids[2],/, 'the newest');
	like((timeline('--file', "$dir/box.old"))[1], qr/^black box of process $pids[1],/, 'the one before is kept');
	is((stat "$dir/box.old")[2] & 07777, 0600, 'as private as before');
}

# what is not to be touched, and where it cannot be
sub refused {
	my ($what, $said, $path, %o) = @_;
	my $r = curfew(before => ['--black-box', $path], policy => 'require "curfew".log.info "> ran"', %o);
	is($r->wait_exit, 2, "$what: refused");
	like($r->log, $said, "$what: the error says why");
	unlike($r->log, qr/> ran/, "$what: before the policy runs");
	return $r;
}
my $r = refused('a file that is something else', qr/black box notes: there is a file that is none: it is not overwritten/, 'notes', files => { notes => "mine\n" });
is(slurp("$r->{dir}/notes"), "mine\n", 'which stays as it was');
$r = refused('a symbolic link', qr/black box link: .*symbolic link/, 'link', files => { notes => "mine\n" }, child => sub { symlink 'notes', 'link' });
is(slurp("$r->{dir}/notes"), "mine\n", 'which is not followed');
refused('a folder', qr/black box \.: Is a directory/, '.');
refused('a FIFO', qr/black box nobody: it is no file/, 'nobody');
refused('a folder that is not there', qr{black box none/box: No such file or directory}, 'none/box');
$r = refused('an old one that is something else', qr{black box box: the old one would be kept as box\.old, where there is something else}, 'box',
	files => { 'box.old' => "mine\n" }, child => sub { system($Curfew::BIN =~ m{^/} ? $Curfew::BIN : "$FindBin::Bin/../../$Curfew::BIN", 'run', '--no-guardian', '--black-box', 'box', '--', 'true') });
is(slurp("$r->{dir}/box.old"), "mine\n", 'which stays as it was');
ok(-s "$r->{dir}/box", 'and so does the one before');
{
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	spew("$dir/box", '');
	chmod 0640, "$dir/box";
	my $r = curfew(before => ['--black-box', "$dir/box", '--no-guardian'], policy => 'require "curfew".exit(0)');
	is($r->wait_exit, 0, 'an empty file that is there is taken');
	is((stat "$dir/box")[2] & 07777, 0600, 'S10.3: and made private');
	is((timeline('--file', "$dir/box"))[0], 0, 'and is a black box now');
}
$r = refused('no room on the disk', qr/black box box: no room for its 1024 KB: /, 'box', child => sub {
	# RLIMIT_FSIZE stands for a disk that is full: the space is not to be had.
	exec { 'sh' } 'sh', '-c', 'trap "" XFSZ; ulimit -f 100; exec "$@"', 'sh', ($Curfew::BIN =~ m{^/} ? $Curfew::BIN : "$FindBin::Bin/../../$Curfew::BIN"),
		'run', '--no-guardian', '--black-box', 'box', 'policy.lua';
});
ok(!-e "$r->{dir}/box", 'and nothing is left of it');
{
	my $first = curfew(before => ['--black-box', 'box', '--no-guardian'], policy => $POLICY, env => { SECRET => 'x' });
	$first->wait_log(qr/started 2 servers/);
	refused('one that another process writes', qr/another process writes it/, "$first->{dir}/box");
	spew("$first->{dir}/go", '');
	$first->signal('TERM');
	$first->wait_exit;
	is((timeline('--file', "$first->{dir}/box"))[0], 0, 'which is left in peace');
}

# one that is cut off while it is written
{
	my $r = curfew(before => ['--black-box', 'box', '--no-guardian'], policy => $POLICY, env => { SECRET => 'x' });
	$r->wait_log(qr/started 2 servers/);
	truncate("$r->{dir}/box", 0) or die "truncate: $!";
	spew("$r->{dir}/go", '');
	$r->signal('TERM');
	is($r->wait_exit, 1, 'a black box that another cuts off: the stop goes its way') or diag $r->log;
	is(() = $r->log =~ /WARN  black box: it was cut off by another/g, 1, 'which is logged once');
	is(-s "$r->{dir}/box", 0, 'and nothing more is written to it');
}

# what is no black box
for (['a text', "hello\n" x 100, qr/it is no black box of curfew/], ['nothing', '', qr/it is no black box of curfew/],
	['one of another version', "curfew blackbox\0" . pack('LL', 99, 1) . "\0" x 9000, qr/it is of another version \(99, this one reads 1\)/]) {
	my ($what, $bytes, $said) = @$_;
	my $file = File::Temp->new(TMPDIR => 1);
	print {$file} $bytes;
	close $file;
	my ($code, $out, $err) = timeline('--file', "$file");
	is($code, 1, "$what is refused");
	like($err, $said, "$what: the error says why");
}
is((timeline('--file'))[0], 2, '--file needs a value');
{
	my $err = `$Curfew::BIN status --svg 2>&1`;
	is($? >> 8, 2, 'the forms are those of timeline');
	like($err, qr/unknown option --svg/, 'which is said');
}
done_testing;
