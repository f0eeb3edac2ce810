#!/usr/bin/perl
# contained.t: what a request owns, and what its failure comes to (S6.1 to S6.5).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use IO::Select;
use Test::More;

my $ROUTES = <<'LUA';
local curfew = require "curfew"
local web
local function nest(n) if n == 0 then error "deep" end curfew.after("1ms", function() nest(n - 1) end) end
web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = {
	["GET /"] = function() return "alive" end,
	["GET /error"] = function() error "E" end,
	["GET /nil"] = function() error(nil) end,
	["GET /table"] = function() error({}) end,
	["GET /timer"] = function() curfew.after("1ms", function() error "T" end) end,
	["GET /task"] = function() curfew.spawn(function() curfew.sleep "1ms" error "S" end) end,
	["GET /nested"] = function() nest(5) end,
	["GET /file"] = function() curfew.fs.read("/none", function() error "F" end) end,
	["GET /exec"] = function() curfew.exec({ "true" }, function() error "X" end) end,
	["GET /stop"] = function() curfew.spawn(function() error(setmetatable({}, { __tostring = function() error "again" end })) end) end,
	["GET /close"] = function() local x <close> = setmetatable({}, { __close = function() error "C" end }) error "first" end,
	["GET /nothing"] = function() curfew.after("1ms", function() end) end,
	["GET /begun"] = function(_, res) res:write "some" error "B" end,
	["GET /loop"] = function() while true do end end,
	["GET /deep"] = function() local function f() return 1 + f() end f() end,
	["GET /words"] = function() error "stack overflow, not enough memory, passed hook_cpu_limit" end,
	["GET /memory"] = function() local _ = ("x"):rep(1 << 40) end,
	["GET /stats"] = function() local s = web:stats() return s.errors .. " " .. s.limits end } }
web:pre_stop(function() curfew.log.info "> pre" end)
LUA
my @failing = qw(error words nil table timer task nested file exec stop close nothing loop deep memory);
{
	my $r = curfew(policy => $ROUTES . 'curfew.start() curfew.log.info("> at " .. web.address)');
	my $at = $r->wait_log(qr/> at (\S+)/);
	for my $path (@failing) {
		is((http_get($at, "/$path"))[0], 500, "S6.2: /$path: 500");
		like($r->log, qr{request="GET /$path" error=}, "S6.2: /$path: the log names the request") unless $path eq 'nothing';
	}
	my ($status, $body) = http_get($at, '/begun');
	unlike("$status $body", qr/500|alive/, 'S6.2: a reply that was begun: its connection is closed') if defined $status;
	is((http_get($at, '/'))[1], 'alive', 'S6.2: the server lives');
	my ($errors, $limits) = split ' ', (http_get($at, '/stats'))[1];
	is($limits, 3, 'S6.5: limits are counted');
	cmp_ok($errors, '>=', @failing, 'S6.2: errors are counted');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S6.2: and ends well');
}
for my $path (qw(error timer task nested loop)) {
	my $r = curfew(policy => "require 'curfew'.configure { strict = true }\n" . $ROUTES . 'curfew.start() curfew.log.info("> at " .. web.address)');
	my $at = $r->wait_log(qr/> at (\S+)/);
	is((http_get($at, "/$path"))[0], 500, "S6.4: strict, /$path: the 500 is sent first");
	is($r->wait_exit, 1, "S6.4: strict, /$path: abort(1)");
	is($r->marks->[-1], 'pre', "S4.12: strict, /$path: the hook ran");
}

# S6.5: the whole request has a limit of its own, however often it waits and whoever runs for it
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.configure { request_cpu_limit = "150ms" }
local function burn() local til = os.clock() + 0.01 while os.clock() < til do end end
local web
web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = {
	["GET /"] = function() return "alive" end,
	["GET /slices"] = function() while true do burn() curfew.sleep(0) end end,
	["GET /crumbs"] = function() while true do curfew.sleep(0) end end,
	["GET /pcall"] = function() while true do pcall(function() burn() curfew.sleep(0) end) end end,
	["GET /tasks"] = function(_, res) res:hold() local function again() burn() curfew.spawn(again) end again() end,
	["GET /awaited"] = function() return curfew.spawn(function() while true do burn() curfew.sleep(0) end end):await() and "?" end,
	["GET /every"] = function(_, res) res:hold() curfew.every("1ms", burn) end,
	["GET /brood"] = function() for _ = 1, 5 do curfew.spawn(function() while true do burn() curfew.sleep(0) end end) end curfew.sleep "1h" end,
	["GET /modest"] = function() for _ = 1, 5 do burn() curfew.sleep(0) end return "modest" end,
	["GET /stats"] = function() local s = web:stats() return s.errors .. " " .. s.limits end } }
curfew.start()
curfew.log.info("> at " .. web.address)
LUA
	my $at = $r->wait_log(qr/> at (\S+)/);
	my @paths = qw(slices crumbs pcall tasks awaited every brood);
	for my $path (@paths) {
		is((http_get($at, "/$path"))[0], 500, "S6.5: /$path: 500");
		like($r->log, qr{request="GET /$path" error="passed request_cpu_limit \(150ms\)}, "S6.5: /$path: the log names the limit");
	}
	is((http_get($at, '/modest'))[1], 'modest', 'S6.5: what stays below it is served');
	is((http_get($at, '/stats'))[1], @paths . ' ' . @paths, 'S6.5: each is one error and one limit, and nothing of them came after');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S6.5: nothing is left of them that a stop would have to cut');
}

# S6.5: who holds most pays, not who came last: nor whose slice is the one that passes the limit
{
	my $r = curfew(policy => <<'LUA');
local curfew = require "curfew"
curfew.configure { memory_limit = "32MB", hook_cpu_limit = "10s", request_cpu_limit = "60s" } -- it is not about time
local web = curfew.http { name = "web", listen = "127.0.0.1:0", routes = {
	["GET /hoard"] = function()
		local held = {}
		for i = 1, 25 do held[i] = ("x"):rep(1000000) .. i curfew.sleep(0) end
		curfew.log.info "> held"
		curfew.wait "never"
		return #held .. ""
	end,
	["GET /small"] = function() local t = {} for i = 1, 90 do t[i] = ("y"):rep(100000) .. i end curfew.sleep "10ms" return #t .. "" end } }
web:pre_stop(function() curfew.log.info "> pre" end)
curfew.start()
curfew.log.info("> at " .. web.address)
LUA
	my $at = $r->wait_log(qr/> at (\S+)/);
	my $hoard = connect_to($at);
	print $hoard "GET /hoard HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	$r->wait_log(qr/> held/);
	is((http_get($at, '/small'))[0], 200, "S6.5: small request $_ is served") for 1 .. 5;
	my $text = '';
	IO::Select->new($hoard)->can_read($Curfew::PATIENCE) and sysread $hoard, $text, 4096;
	like($text, qr{^HTTP/1\.1 500 }, 'S6.5: the hoarder was ended');
	like($r->log, qr{request="GET /hoard" error="not enough memory: memory_limit is near}, 'S6.5: and the log says so');
	$r->signal('TERM');
	is($r->wait_exit, 0, 'S6.5: it ends well');
}
done_testing;
