#!/usr/bin/perl
# terminal.t: on a terminal a stop shows live what it waits for, and ends with its timeline; elsewhere neither is in the way.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

plan skip_all => 'no script(1) for a pseudo-terminal' if system('command -v script >/dev/null');

my $POLICY = <<'LUA';
local curfew = require "curfew"
local api = curfew.server { name = "api", start = function() end, stop = function() curfew.sleep("250ms") end }
local web = curfew.server { name = "web", after = { api }, start = function() end, stop = function() curfew.sleep("50ms") end }
web:pre_stop(function() curfew.sleep("350ms") end, { name = "let the balancer notice" })
web:post_start(function() curfew.after("50ms", curfew.stop) end)
LUA

# What a terminal of 100 columns got from curfew run ARGS policy.lua, and the exit code.
sub on_terminal {
	my (%o) = @_;
	my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);
	spew("$dir/policy.lua", $o{policy} || $POLICY);
	my $bin = $BIN =~ m{^/} ? $BIN : POSIX::getcwd() . "/$BIN";
	my $args = join ' ', @{ $o{args} || [] };
	my $pid = fork // die;
	if ($pid == 0) {
		$ENV{LC_ALL} = $o{locale} || 'C.UTF-8';
		$ENV{TERM} = $o{term} || 'xterm';
		open STDIN, '<', '/dev/null';
		open STDOUT, '>', '/dev/null';
		exec 'timeout', $Curfew::PATIENCE, 'script', '-qefc', "stty rows 30 cols 100; $bin run $args $dir/policy.lua", "$dir/typescript" or POSIX::_exit(98);
	}
	waitpid $pid, 0;
	return ($? >> 8, slurp("$dir/typescript"));
}

my ($code, $text) = on_terminal();
is($code, 0, 'a stop on a terminal');
like($text, qr/stopping.* of 5s left/, 'it shows what is left of the budget');
like($text, qr/web.*let the balancer not.*for 0\.\ds, cut in/, 'and what it waits for: server, hook, since when, until when');
like($text, qr/api.*stops/, 'then the next one');
my $frames = () = $text =~ /of 5s left/g;
cmp_ok($frames, '>', 3, 'live: more than one frame');
my ($after) = $text =~ /(stop took .*)/s;
like($after, qr/stop took \d+ms of 5s, code 0, because a stop was asked for/, 'it ends with the timeline: how long, code, cause');
like($after, qr/^web\b.*\d+ms\s*$/m, 'a row for a server with its duration') or diag $after;
like($after, qr/let the balancer notice.*3\d\dms/m, 'and one for its hook') or diag $after;
unlike($after, qr/of 5s left/, 'nothing live is left behind');
ok(!grep({ length($_ =~ s/\e\[[0-9;]*m//gr) > 4 * 100 } split /\r?\n/, $after), 'no line is wider than the terminal');

($code, $text) = on_terminal(locale => 'C');
unlike($text, qr/[\x80-\xff]/, 'a terminal without Unicode gets none');
($code, $text) = on_terminal(args => ['--no-display', '--timeline never']);
unlike($text, qr/of 5s left|stop took/, '--no-display, --timeline never: neither');
($code, $text) = on_terminal(args => ['--log-format json']);
is($code, 0, 'json on a terminal');
like($text, qr/^\{"ts":.*"msg":/m, 'is json all the same');

# not a terminal
{
	my $r = curfew(policy => $POLICY);
	is($r->wait_exit, 0, 'without a terminal');
	unlike($r->log, qr/\e|of 5s left|stop took/, 'no colours, no live display, no timeline');
	$r = curfew(policy => $POLICY, before => ['--timeline', 'always']);
	is($r->wait_exit, 0, '--timeline always');
	like($r->log, qr/stop took .*let the balancer notice/s, 'the timeline goes where the log goes');
}
# every line of a structured log is one record
for my $case (['logfmt', qr/^ts=\S+ level=\w+ msg=/], ['json', qr/^\{.*\}$/]) {
	my ($format, $line) = @$case;
	my $r = curfew(policy => $POLICY . qq{curfew.log.info("a \\"quoted\\" line\\nand another \\27[2J")\n}, before => ['--log-format', $format]);
	is($r->wait_exit, 0, "--log-format $format");
	my @bad = grep { !/$line/ } split /\n/, $r->log;
	is("@bad", '', "$format: every line is a record");
	unlike($r->log, qr/\e/, "S10.3: $format: control characters are escaped");
}

done_testing;
