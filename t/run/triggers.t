#!/usr/bin/perl
# triggers.t: S2, every trigger in a table: exit code and order of hooks, compared literally; the table is printed.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

# Two servers, web after db, every hook there is; %s is what happens once both are up.
my $POLICY = <<'LUA';
local curfew = require "curfew"
local function mark(text) curfew.log.info("> " .. text) end
local servers = {}
for i, name in ipairs { "db", "web" } do
	local s = curfew.server {
		name = name,
		start = function() end,
		stop = function() mark(name .. " stop") end,
		abort = function() mark(name .. " abort") end,
	}
	s:pre_stop(function() mark(name .. " pre") end)
	s:post_stop(function() mark(name .. " post") end)
	servers[i] = s
end
local db, web = servers[1], servers[2]
web:after(db)
curfew.pre_stop(function(ctx) mark("pre " .. ctx.mode .. " " .. ctx.trigger.name) end)
curfew.post_stop(function() mark("post") end)
web:post_start(function()
	curfew.after(0, function()
		curfew.log.info("READY")
		%s
	end)
end)
%s
LUA

my $graceful = 'web pre, web stop, web post, db pre, db stop, db post, post';
my $abort = 'db pre, web pre, db abort, web abort';

# rule, what happens, Lua once both are up, Lua at the end of the script, signals sent, expected code, expected marks
my @rows = (
	['S2.1', 'SIGINT', '', '', ['INT'], 0, "pre graceful SIGINT, $graceful"],
	['S2.1', 'SIGTERM', '', '', ['TERM'], 0, "pre graceful SIGTERM, $graceful"],
	['S2.1', 'SIGQUIT', '', '', ['QUIT'], 0, "pre graceful SIGQUIT, $graceful"],
	['S2.2', 'SIGHUP', '', '', ['HUP'], 1, "pre abort SIGHUP, $abort"],
	['S2.3', 'os.exit(0)', 'os.exit(0)', '', [], 0, "pre graceful exit, $graceful"],
	['S2.3', 'os.exit(true)', 'os.exit(true)', '', [], 0, "pre graceful exit, $graceful"],
	['S2.3', 'os.exit()', 'os.exit()', '', [], 0, "pre graceful exit, $graceful"],
	['S2.3', 'curfew.exit(0)', 'curfew.exit(0)', '', [], 0, "pre graceful exit, $graceful"],
	['S2.4', 'os.exit(7)', 'os.exit(7)', '', [], 7, "pre abort exit, $abort"],
	['S2.4', 'os.exit(false)', 'os.exit(false)', '', [], 1, "pre abort exit, $abort"],
	['S2.4', 'curfew.exit(9)', 'curfew.exit(9)', '', [], 9, "pre abort exit, $abort"],
	['S2.5', 'error in a timer', 'error "oops"', '', [], 1, "pre abort error, $abort"],
	['S2.5', 'error in a nested timer', 'curfew.after("1ms", function() local x = nil; x() end)', '', [], 1, "pre abort error, $abort"],
	['S2.5', 'error in the callback of an operation', 'curfew.fs.exists("/", function() error "oops" end)', '', [], 1, "pre abort error, $abort"],
	['S2.5', 'error in the main script after its start', '', 'assert(curfew.start()) error "oops"', [], 1, "pre abort error, $abort"],
	['S2.6', 'a task fails, nobody awaits it', 'curfew.spawn(function() error "oops" end)', '', [], 1, "pre abort rejection, $abort"],
	['S2.7', 'a process server ends by itself', '', 'curfew.process { name = "p", command = { "sh", "-c", "read x" }, stdin = "null" }:after(web)', [], 255, "pre abort closed, $abort"],
	['S2.8', 'nothing is left', 'db:stop()', '', [], 0, 'web pre, web stop, web post, db pre, db stop, db post, pre graceful idle, post'],
	['S2.9', 'curfew.trigger("abort")', 'curfew.trigger("abort")', '', [], 1, "pre abort abort, $abort"],
	['S2.9', 'curfew.stop()', 'curfew.stop()', '', [], 0, "pre graceful stop, $graceful"],
	['S2.14', 'error(nil)', 'error(nil)', '', [], 1, "pre abort error, $abort"],
	['S2.14', 'error(10)', 'error(10)', '', [], 1, "pre abort error, $abort"],
	['S2.14', 'error({})', 'error({})', '', [], 1, "pre abort error, $abort"],
	['S2.14', 'error with a broken __tostring', 'error(setmetatable({}, { __tostring = function() error "no" end }))', '', [], 1, "pre abort error, $abort"],
	['S2.16', 'a server fails to start', '', 'local bad = curfew.server { name = "bad", start = function() error "cannot" end, stop = function() mark "bad stop" end } bad:pre_stop(function() mark "bad pre" end) bad:after(web)',
		[], 1, "pre graceful start_failed, bad stop, $graceful"],
	['S2.16', 'a server passes start_timeout', '', 'curfew.server { name = "late", after = { web }, start_timeout = "100ms", start = function() curfew.sleep("1h") end }', [], 1, "pre graceful start_failed, $graceful"],
	# S2.11: a script's own rule comes first, the newest before all, nil falls through, then "*", then the default
	['S2.11', 'a rule: SIGTERM aborts with 3', '', 'curfew.on("SIGTERM", curfew.abort(3))', ['TERM'], 3, "pre abort SIGTERM, $abort"],
	['S2.11', 'the newest rule wins', '', 'curfew.on("SIGTERM", curfew.abort(3)) curfew.on("SIGTERM", curfew.graceful(4))', ['TERM'], 4, "pre graceful SIGTERM, $graceful"],
	['S2.11', 'nil falls to the older one', '', 'curfew.on("SIGTERM", curfew.abort(3)) curfew.on("SIGTERM", function() end)', ['TERM'], 3, "pre abort SIGTERM, $abort"],
	['S2.11', '"*" before the default', '', 'curfew.on("*", function(t) return curfew.graceful(#t.name) end)', ['HUP'], 6, "pre graceful SIGHUP, $graceful"],
	['S2.11', 'its own name before "*"', '', 'curfew.on("SIGHUP", curfew.graceful(2)) curfew.on("*", curfew.abort(9))', ['HUP'], 2, "pre graceful SIGHUP, $graceful"],
	['S2.11', 'curfew.graceful without a call is code 0, curfew.abort 1', '', 'curfew.on("SIGHUP", curfew.graceful) curfew.on("SIGTERM", curfew.abort)', ['HUP'], 0, "pre graceful SIGHUP, $graceful"],
	['S2.12', 'a rule that raises', '', 'curfew.on("SIGTERM", function() error "broken" end)', ['TERM'], 0, "pre graceful SIGTERM, $graceful"],
	['S2.12', 'a rule that waits', '', 'curfew.on("SIGTERM", function() curfew.sleep(1) return curfew.abort(5) end)', ['TERM'], 0, "pre graceful SIGTERM, $graceful"],
	['S2.12', 'a rule that loops', '', 'curfew.on("SIGTERM", function() while true do end end)', ['TERM'], 0, "pre graceful SIGTERM, $graceful"],
	['S2.12', 'a rule that answers nonsense', '', 'curfew.on("SIGTERM", function() return "yes" end)', ['TERM'], 0, "pre graceful SIGTERM, $graceful"],
	['S2.12', 'a decision that the trigger does not allow', '', 'curfew.on("SIGTERM", curfew.restart)', ['TERM'], 0, "pre graceful SIGTERM, $graceful"],
	['S2.13', 'the second SIGINT decides', '', 'curfew.on("SIGINT", function(t) if t.count == 1 then return curfew.ignore end return curfew.abort(130) end)', ['INT', 'INT'], 130, "pre abort SIGINT, $abort"],
	['S2.2', 'a signal of one\'s own', '', 'curfew.on("SIGUSR1", curfew.graceful(6))', ['USR1'], 6, "pre graceful SIGUSR1, $graceful"],
	['S4.14', 'kill(5): no hooks', '', 'curfew.on("SIGTERM", curfew.kill(5))', ['TERM'], 5, ''],
);

sub run_row {
	my ($row) = @_;
	my ($rule, $what, $ready, $end, $signals) = @$row;
	my $r = curfew(policy => sprintf($POLICY, $ready, $end));
	if (@$signals) {
		$r->wait_log(qr/READY/);
		my $sent = 0;
		for my $sig (@$signals) {
			$r->signal($sig);
			$sent++;
			# the next one only once this one was seen: merged signals count once (S2.13)
			$r->wait_log(qr/(?:SIG$sig.*?){$sent}/s) if $sent < @$signals;
		}
	}
	my $code = $r->wait_exit;
	my @marks = @{ $r->marks };
	return ($code, join(', ', @marks), $r);
}

my $table = '';
for my $row (@rows) {
	my ($rule, $what, undef, undef, undef, $want_code, $want_marks) = @$row;
	my ($code, $marks, $r) = run_row($row);
	my $good = is("$code: $marks", "$want_code: $want_marks", "$rule: $what");
	diag $r->log unless $good;
	is(join(' ', $r->left_behind), '', "$rule: $what: no process is left");
	$table .= sprintf "%-6s %-48s %3d  %s\n", $rule, $what, $code, $marks;
}
note "rule   trigger                                          code hooks in order\n$table";

# S2.2: where SIGHUP was inherited as ignored it stays so
{
	my $r = curfew(policy => sprintf($POLICY, '', ''), child => sub { $SIG{HUP} = 'IGNORE' });
	$r->wait_log(qr/READY/);
	$r->signal('HUP');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S2.2: under nohup SIGHUP stays ignored, SIGTERM decides');
	unlike($r->log, qr/SIGHUP/, 'S2.2: and is never seen');
	$r = curfew(policy => sprintf($POLICY, '', 'curfew.on("SIGHUP", curfew.graceful(3))'), child => sub { $SIG{HUP} = 'IGNORE' });
	$r->wait_log(qr/READY/);
	$r->signal('HUP');
	is($r->wait_exit, 3, 'S2.2: unless a rule names it');
}

# S2.8
{
	my $r = curfew(policy => 'local curfew = require "curfew" curfew.pre_stop(function(ctx) curfew.log.info("> pre " .. ctx.trigger.name) end)');
	is($r->wait_exit, 0, 'S2.8: nothing to do is idle, graceful(0)');
	is("@{$r->marks}", 'pre idle', 'S2.8: global hooks run');
	$r = curfew(policy => 'local curfew = require "curfew" curfew.after("20ms", function() curfew.log.info("> timer") end)');
	is($r->wait_exit, 0, 'S2.8: not before the last timer');
	is("@{$r->marks}", 'timer', 'S2.8: the timer ran');
	$r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.on("idle", function(t)
	curfew.log.info("> idle " .. t.count)
	if t.count == 1 then
		curfew.spawn(function() curfew.sleep("10ms") end)
		return curfew.ignore
	end
end)
LUA
	is($r->wait_exit, 0, 'S2.8: ignored, it comes again');
	is(join(', ', @{ $r->marks }), 'idle 1, idle 2', 'S2.8: after new activity, and not before');
}

# S4.5, S4.7: in an abort only a server whose hooks hang is cut off; the others end as any abort ends them
{
	my $r = curfew(before => ['--exit-timeout', '1s'], policy => <<'LUA');
local curfew = require "curfew"
curfew.on("SIGTERM", curfew.abort(3))
for _, name in ipairs { "a", "b" } do
	local s = curfew.server { name = name, start = function() end, stop = function() end }
	s:pre_stop(function() curfew.log.info("> hook of " .. name) if name == "a" then curfew.sleep "1m" end end)
end
LUA
	$r->wait_log(qr/started 2 servers/);
	$r->signal('TERM');
	is($r->wait_exit, 255, 'S4.8: a hook that hangs in an abort: code 255');
	is(join(', ', sort @{ $r->marks }), 'hook of a, hook of b', 'S4.12: both hooks ran');
	like($r->log, qr/WARN  exit 255; cut off: a$/m, 'S4.7: the server whose hook hung is named') or diag $r->log;
	unlike($r->log, qr/b: cut off/, 'and no other');
}

# S2.18
{
	my $r = curfew(policy => sprintf($POLICY, 'local ok, message = pcall(curfew.exit, 256) curfew.log.info("> " .. tostring(ok) .. " " .. message) curfew.exit(255)', ''));
	is($r->wait_exit, 255, 'S2.18: 255 is a code');
	like($r->marks->[0], qr/^false .*256/, 'S2.18: 256 is an error in Lua');
}

done_testing;
