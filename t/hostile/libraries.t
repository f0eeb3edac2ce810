#!/usr/bin/perl
# libraries.t: a script that takes the libraries away, or puts something else in their places, spoils what scripts do with them,
# and nothing that curfew itself does: requests are answered, and every other server's hooks run and wait (S4.12).
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Test::More;

# What the hooks use themselves they have taken before.
my $POLICY = <<'LUA';
local curfew = require "curfew"
local pairs, type, setmetatable, getmetatable, raise, debug = pairs, type, setmetatable, getmetatable, error, debug
local sleep, spawn, after, log, read, race = curfew.sleep, curfew.spawn, curfew.after, curfew.log.info, curfew.fs.read, curfew.race
local first, second = "> first ", "> second "
local a = curfew.server { name = "a", start = function() end, stop = function() sleep(0.001) log "> a stopped" end }
local w = curfew.http { name = "w", listen = "127.0.0.1:0", routes = { ["GET /:what"] = function(req, res)
	res:header("x-kind", req.params.what)
	return req.args.x .. req.headers["X-Y"]
end } }
a:pre_stop(function(ctx)
	local left = ctx:remaining()
	log(first .. type(left) .. " " .. ctx.server.name)
	sleep(0.001)
	local task = spawn(function() sleep(0.001) return read "policy.lua" end)
	local text = task:await()
	log(second .. type(text))
	race { function() sleep(0.001) end, function() sleep(9) end }
	log "> third"
end, { timeout = "4s" })
w:post_stop(function(ctx)
	ctx:extend("10ms")
	log("> w " .. curfew.state)
end)
local function spoil(t)
	for k in pairs(t) do
		if t ~= _G or k ~= "_G" then t[k] = PUT end
	end
end
local task = spawn(sleep, 0)
curfew.start()
log("> at " .. w.address)
local done
curfew.every("10ms", function()
	if done or not read "go" then return end
	done = true
	WHAT
	log "> spoiled"
end)
LUA
my $OTHER = "function() raise 'spoiled' end";
my $OBJECTS = 'for _, x in pairs { a, task, curfew, after(9, sleep) } do local m = getmetatable(x) if type(m) == "table" then spoil(m) end end';
my @libraries = qw(math string table coroutine utf8 io os);

sub try {
	my ($name, $what, $put, @before) = @_;
	my $policy = $POLICY =~ s/WHAT/$what/r =~ s/PUT/$put/r;
	my $r = curfew(policy => $policy, before => \@before);
	my $at = $r->wait_log(qr/> at (\S+)/);
	spew("$r->{dir}/go", '');
	$r->wait_log(qr/> spoiled/);
	my ($code, $body) = http_get($at, '/kind?x=%41+', headers => "X-Y: yes\r\n");
	is("$code $body", '200 A yes', "$name: a request is answered") or diag $r->log;
	$r->signal('TERM');
	my $got = eval { $r->wait_exit } // 'never';
	my $marks = join ', ', sort grep { !/^at|^spoiled/ } @{ $r->marks };
	is($marks, "a stopped, first number a, second string, third, w stopping", "S4.12: $name: the hooks ran, and waited") or diag $r->log;
	is($got, 0, "$name: exit code 0") or diag $r->log;
}

for my $put ('nil', $OTHER) {
	my $how = $put eq 'nil' ? 'gone' : 'put in its place';
	for my $sandbox ([], ['--sandbox', '--allow-read', '.', '--allow-listen', '127.0.0.1']) {
		my $where = @$sandbox ? 'in the sandbox, ' : '';
		my $all = join ' ', map { "spoil($_)" } @libraries;
		try("${where}all libraries: $how", "$all $OBJECTS spoil(_G)", $put, @$sandbox);
	}
	try("package: $how", 'spoil(package.loaded) spoil(package.preload) spoil(package.searchers) spoil(package) spoil(debug)', $put);
	try("by debug: $how", <<"LUA", $put);
for _, x in pairs { a, task, curfew, after(9, sleep), read, sleep, spawn } do
		local m = debug.getmetatable(x)
		if type(m) == "table" then spoil(m) end
		pcall(debug.setmetatable, x, nil)
		for i = 1, 99 do
			local _, up = debug.getupvalue(x == task and sleep or type(x) == "function" and x or sleep, i)
			if type(up) == "table" then spoil(up) end
			debug.setupvalue(type(x) == "function" and x or sleep, i, nil)
		end
	end
LUA
}

# A method of a string is found by the strings' metatable, which is the script's: our own modules call string.find, not s:find.
{
	my $method = qr/[\w)\]"']:(?:byte|char|find|format|gmatch|gsub|len|lower|match|rep|reverse|sub|upper)\s*[("'\[]/;
	like('at = s:find "x"', $method, 'a method of a string is seen');
	my @own = grep { !m{/sim\.lua$} } glob("lua/curfew/*.lua"), 'lua/curfew/sim/inside.lua';
	ok(@own > 30, 'our own modules are found');
	my @by_method = map { my $file = $_; my $n = 0; map { $n++; $_ =~ s/--.*//r =~ $method ? "$file:$n" : () } split /\n/, slurp($file) } @own;
	is("@by_method", '', 'none of them calls one');
}

done_testing;
