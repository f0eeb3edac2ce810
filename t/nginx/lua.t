#!/usr/bin/perl
# lua.t: beside lua-nginx-module, whose LuaJIT has the same names as our Lua 5.4, in both orders.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../lib";
use Curfew;
use Nginx;
use Test::More;

Nginx::require_module();
my $modules = '/usr/lib/nginx/modules';
my @lua = ("$modules/ndk_http_module.so", "$modules/ngx_http_lua_module.so");
plan skip_all => 'libnginx-mod-http-lua is not installed' unless -e $lua[1];
plan skip_all => 'under AddressSanitizer the names of the library are not kept apart from LuaJIT: it refuses DEEPBIND' if $ENV{SAN};
my $prelude = Nginx::prelude();

for my $order (qw(load after)) {
	subtest $order eq 'load' ? 'lua-nginx-module first' : 'lua-nginx-module last' => sub {
		my $n = nginx(workers => 2, $order => \@lua, curfew => "curfew_exit_timeout 20s;\n", policy => <<"L",
$prelude
assert(_VERSION == "Lua 5.4" and not jit)
mark "here"
nginx:pre_stop(function(ctx)
	mark("exec %d", curfew.exec { "sh", "-c", "exit 3" }.code)
	local f = assert(curfew.fetch "http://127.0.0.1:PORT/jit")
	mark("fetch %d %s", f.status, tostring(f.body:find "^LuaJIT" ~= nil))
	mark("%d", 7 // 2 | 1 << 4)
end)
nginx:post_stop(function() mark "post" end)
L
			http => 'init_by_lua_block { n = 0 } init_worker_by_lua_block { ngx.timer.every(0.01, function() n = n + 1 end) }',
			server => <<'S');
location = /jit {
	content_by_lua_block {
		ngx.sleep(0.005)
		local co = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i) end end)
		ngx.say(jit and jit.version or "none", " ", co() + co(), " ", pcall(error, "x"))
	}
}
S
		my @old = $n->workers;
		$n->wait_marks(qr/^here/, 2);
		for (1 .. 20) {
			my $body = $n->get('/jit') // '';
			like($body, qr/^LuaJIT \S+ 3 falsex\r?$/m, 'LuaJIT serves') or last;
		}
		$n->signal('HUP');
		ok(wait_until(sub { my @w = $n->workers; my %o = map { $_ => 1 } @old; @w == 2 and !grep { $o{$_} } @w }), 'a reload');
		like($n->get('/jit') // '', qr/^LuaJIT/m, 'LuaJIT serves on');
		$n->wait_marks(qr/^here/, 4);
		$n->wait_marks(qr/^post/, 2);
		$n->signal('QUIT');
		is($n->wait_exit, 0, 'a stop');
		my %count;
		$count{$_}++ for $n->marks;
		is_deeply(\%count, { here => 4, 'exec 3' => 4, 'fetch 200 true' => 4, 19 => 4, post => 4 }, 'hooks run, and reach LuaJIT over the loop') or diag $n->log;
		$n->sound;
	};
}
done_testing;
