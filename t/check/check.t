#!/usr/bin/perl
# check.t: `curfew check` at the command line: exit codes, options, the three formats, silencing.
use strict;
use warnings;
use File::Temp ();
use JSON::PP ();
use POSIX ();
use Test::More;

my $BIN = $ENV{CURFEW} || (($ENV{BUILD} || 'build') . '/curfew');
$BIN = `pwd` =~ s/\n//r . "/$BIN" if $BIN !~ m{^/};
my $dir = File::Temp->newdir('curfew-t-XXXXXX', TMPDIR => 1);

sub spew { open my $f, '>:raw', "$dir/$_[0]" or die "$_[0]: $!"; print $f $_[1]; close $f or die; return $_[0] }
sub slurp { open my $f, '<:raw', "$dir/$_[0]" or die "$_[0]: $!"; local $/; return scalar <$f> // '' }

# check(args…): exit code, stdout, stderr; in the directory of the files.
sub check {
	my $pid = fork // die "fork: $!";
	if ($pid == 0) {
		chdir $dir and open STDOUT, '>', 'stdout' and open STDERR, '>', 'stderr' and open STDIN, '<', '/dev/null' or exit 99;
		exec { $BIN } $BIN, 'check', @_ or exit 98;
	}
	waitpid $pid, 0;
	return ($? & 127 ? 128 + ($? & 127) : $? >> 8, slurp('stdout'), slurp('stderr'));
}

my $UNSAFE = spew('unsafe.lua', <<'LUA');
local curfew = require "curfew"
local function must(yes)
	assert(yes, "it is not there")
end
curfew.http { name = "web", listen = "127.0.0.1:0", routes = {
	["POST /save"] = function(req, res)
		curfew.fs.exists("/srv", function(yes)
			must(yes)
		end)
	end,
} }
LUA
my $CLEAN = spew('clean.lua', "local curfew = require 'curfew'\ncurfew.on('SIGTERM', curfew.graceful(0))\n");

# ---- lines end as they do for Lua

{
	my $lines = spew("lines.lua", "local curfew = require 'curfew'\r\r\n\n\r\rwhile true do end\n");
	my ($code, $out) = check($lines);
	like $out, qr/^lines\.lua:5:1: .*\n +5 \| while true do end\n/, 'a line that ends with CR alone is one, and the finding shows its own';
}

# ---- exit codes

{
	my ($code, $out, $err) = check($CLEAN);
	is $code, 0, 'S6.6: a clean file is code 0';
	is $out, "0 findings in 1 file\n", '… and says so';
	is $err, '', '… and nothing else';
	($code, $out) = check($UNSAFE);
	is $code, 1, 'S6.6: a finding is code 1';
	like $out, qr/^unsafe\.lua:3:2: assert\(\) in a callback of curfew\.fs\.exists, .*"POST \/save".* \[server-crash\]$/m,
		'S6.6: a finding stands at the raise';
	like $out, qr/^ +3 \| +assert\(yes, "it is not there"\)\n +\| +\^{30}$/m, '… with its line and carets under it';
	like $out, qr/from unsafe\.lua:8:4: function 'must' is called here\n(?:.*\n)*?.*from unsafe\.lua:7:28: run later by curfew\.fs\.exists.*\n(?:.*\n)*?.*in unsafe\.lua:6:2: the handler of "POST \/save"/,
		'… and shows the path from there to the handler';
	($code, $out) = check($CLEAN, $UNSAFE);
	is $code, 1, 'a finding in one of several files is code 1';
	like $out, qr/^1 finding in 2 files$/m, '… counted together';
}

sub fifo { my ($name) = @_; POSIX::mkfifo("$dir/$name", 0600) or die "mkfifo: $!"; return $name }
my @bad = (
	[[], qr/a file, please/, 'no file'],
	[['--format'], qr/--format needs a value/, 'no value'],
	[['--format', 'xml', $CLEAN], qr/"xml" is none of text, json, sarif/, 'an unknown format'],
	[['--frmat=json', $CLEAN], qr/unknown option --frmat=json/, 'an unknown option'],
	[['--async', 'a b', $CLEAN], qr/--async: "a b" is not NAME/, 'a bad name'],
	[['--async', 'x:0', $CLEAN], qr/--async: "x:0" is not NAME/, 'an argument 0'],
	[['--handler', ':', $CLEAN], qr/--handler: ":" is not NAME/, 'an empty name'],
	[['missing.lua'], qr/missing\.lua: No such file/, 'a file that is not there'],
	[['.'], qr/\.: /, 'a directory'],
	[['/dev/zero'], qr{/dev/zero: it is a device, no file}, 'a device'],
	[[fifo('pipe.lua')], qr/pipe\.lua: it is a pipe, and nothing comes from it/, 'a pipe that nobody writes to'],
	[[spew('syntax.lua', "local x = 1\nlocal y = = 2\n")], qr/syntax\.lua:2:11: expected expression near '='/, 'a syntax error'],
	[[spew('open.lua', "local function f()\n  if x then\nend\n")], qr/open\.lua:\d+:\d+: expected 'end'/, 'a missing end'],
	[[spew('goto.lua', "local curfew = require 'curfew'\ngoto nowhere\n")], qr/goto\.lua:3: no visible label 'nowhere'/, 'a label that is not there'],
	[[spew('const.lua', "local curfew = require 'curfew'\nlocal x <const> = 1\nx = 2\n")], qr/const\.lua:3: attempt to assign/, 'a constant assigned'],
	[[spew('code.lua', "\eLua\x54rest")], qr/code\.lua: bytecode/, 'bytecode'],
	[[spew('bin.lua', join '', map { chr(($_ * 37) & 255) } 1 .. 999)], qr/bin\.lua:\d+:\d+: /, 'binary'],
);
for (@bad) {
	my ($args, $message, $what) = @$_;
	my ($code, $out, $err) = check(@$args);
	is $code, 2, "$what is code 2";
	like $err, qr/^curfew check: .*$message/m, '… and says what is wrong';
}
{
	my ($code, $out) = check($UNSAFE, 'missing.lua');
	is $code, 2, 'one unreadable file among others is code 2';
	like $out, qr/server-crash/, '… and the others are checked all the same';
	($code) = check(spew('empty.lua', ''));
	is $code, 0, 'an empty file is clean';
	($code) = check(spew('shebang.lua', "#!/usr/bin/env curfew run\nlocal curfew = require 'curfew'\ncurfew.on('SIGTERM', curfew.abort)\n"));
	is $code, 0, 'a first line with #! is no syntax error';
	($code) = check('--', spew('-dash.lua', "return 1\n"));
	is $code, 0, 'after -- a name may begin with a dash';
	($code, $out) = check('--help');
	is $code, 0, '--help is no error';
	like $out, qr/server-crash.*\n(?:.*\n)*.*curfew: ignore/, '… and names the rules and the comment';
	my $deep = 'local x = ' . ('{' x 5000) . ('}' x 5000) . "\n";
	($code) = check(spew('deep.lua', $deep));
	ok $code == 0 || $code == 2, 'nesting without measure ends with an answer';
	my $full = -w '/dev/full' ? system("'$BIN' check $dir/clean.lua > /dev/full 2>/dev/null") >> 8 : 2;
	is $full, 2, 'findings that could not be written are code 2';
}

# ---- silencing

{
	my @lines = split /^/, slurp('unsafe.lua');
	my ($code, $out) = check(spew('same.lua', join '', map { s/(there"\))$/$1 -- curfew: ignore server-crash/r } @lines));
	is $code, 0, 'a comment on the same line silences';
	is $out, "0 findings in 1 file, 1 silenced\n", '… and is counted';
	($code) = check(spew('above.lua', join '', map { s/^(?=\tassert)/\t-- curfew: ignore server-crash\n/r } @lines));
	is $code, 0, 'a comment on the line above silences';
	($code) = check(spew('other.lua', join '', map { s/(there"\))$/$1 -- curfew: ignore busy-loop/r } @lines));
	is $code, 1, 'a comment that names another rule does not';
	($code) = check(spew('behind.lua', join '', map { s/^(local function.*)$/$1 -- curfew: ignore server-crash/r } @lines));
	is $code, 1, 'a comment behind the code of the line above does not';
}

# ---- other event loops

{
	my $db = spew('db.lua', <<'LUA');
local app, db = require "app", require "db"
app.get("/", function(req, res)
	db.query("select 1", { done = function(rows) error "late" end }, function(rows) error "later" end)
	res:on_end(function() error "at the end" end)
end)
LUA
	my ($code) = check($db);
	is $code, 0, 'what is not known to call back is not followed';
	($code, my $out) = check('--handler', 'app.get', '--async=db.query:3', $db);
	is join(' ', $out =~ /^db\.lua:(\d+:\d+)/mg), '3:82', '--async NAME:NUMBER is that argument';
	($code, $out) = check('--handler=app.get:2', '--async', 'db.query:done', $db);
	is join(' ', $out =~ /^db\.lua:(\d+:\d+)/mg), '3:47', '--async NAME:KEY is that key of a table argument';
	($code, $out) = check('--handler=app.get', '--async', 'db.query', '--async', ':on_end', $db);
	is join(' ', $out =~ /^db\.lua:(\d+:\d+)/mg), '3:82 4:24', '--async :NAME is a method of anything, without ARG every function';
	($code, $out) = check('--handler=app.post', '--async', 'db.query', $db);
	is $code, 0, 'without a handler nothing is reachable from one';
}

# ---- modules beside the script

{
	mkdir "$dir/app" or die "$!";
	spew('app/store.lua', <<'LUA');
local curfew = require "curfew"
local store = {}
function store.save(data, callback)
	curfew.fs.write("/x", data, function(ok, message)
		assert(ok, message)
		callback(ok)
	end)
end
return store
LUA
	my $app = spew('shop.lua', <<'LUA');
local curfew = require "curfew"
local store, missing, itself = require "app.store", require "app.missing", require "shop"
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		store.save(req.body, function(ok) error(missing or itself) end)
	end,
} }
LUA
	my ($code, $out) = check($app);
	is join(' ', $out =~ /^([\w\/]+\.lua:\d+):/mg), 'app/store.lua:5 shop.lua:5', 'S6.6: what a module beside the script does is followed';
	like $out, qr/from app\/store\.lua:6:3.*\n(?:.*\n)*?.*in shop\.lua:4:2: the handler/, '… and the path leads through it';
	($code, $out) = check($app, spew('shop2.lua', slurp($app)), 'app/store.lua');
	is scalar(() = $out =~ /^app\/store\.lua:5/mg), 1, '… and what is in it is told once';
	spew('app/store.lua', "syntax error\n");
	($code, $out) = check($app);
	is $code, 0, 'one that cannot be parsed is not known';
}

# ---- JSON

{
	my $odd = spew('odd.lua', slurp('unsafe.lua') =~ s/it is not there/\t\xff "q" \xe2\x82\xac/r =~ s/"\t\xff "q" (...)"/'\t\xff "q" $1'/r);
	my ($code, $out) = check('--format=json', $odd, $CLEAN);
	is $code, 1, 'JSON: the same exit code';
	my $doc = eval { JSON::PP->new->utf8->decode($out) };
	ok $doc, 'JSON: it is JSON, whatever bytes the file has' or diag "$@ $out";
	is_deeply $doc->{files}, ['odd.lua', 'clean.lua'], 'JSON: the files';
	my ($f) = @{ $doc->{findings} };
	is "$f->{rule} $f->{file}:$f->{line}:$f->{column}", 'server-crash odd.lua:3:2', 'JSON: the finding';
	is join(' ', map { $_->{line} } @{ $f->{path} }), '3 8 7 7 6', 'JSON: the path, from the raise to the handler';
	is $f->{path}[-1]{text}, 'the handler of "POST /save"', '… which it names';
	is $doc->{silenced}, 0, 'JSON: how many were silenced';
	($code, $out) = check('--format=json', $CLEAN);
	is_deeply(JSON::PP->new->utf8->decode($out)->{findings}, [], 'JSON: no findings are an empty list');
}

done_testing;
