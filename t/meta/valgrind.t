#!/bin/sh
# One whole life under valgrind: servers, hooks, a child, a request, a stop. No error, no leak, code 0.
. t/lib/tap.sh

[ -z "${SAN-}" ] || skip_all 'valgrind and sanitizers exclude each other'
[ -x "$curfew" ] || skip_all "no $curfew"
command -v valgrind >/dev/null || skip_all 'no valgrind'

cat >"$tmp/policy.lua" <<'EOP'
local curfew = require "curfew"
curfew.configure { exit_timeout = "60s", stop_margin = "1s", hook_cpu_limit = "30s" }
local web = curfew.http {
	name = "web", listen = "127.0.0.1:0",
	routes = { ["GET /"] = function() return "hello\n" end, ["GET /fail"] = function() error "on purpose" end },
}
local child = curfew.process { name = "child", command = { "sleep", "60" }, stop = { { signal = "TERM", wait = "30s" } } }
local thing = curfew.server { name = "thing", start = function() end, stop = function() curfew.sleep "10ms" end }
web:after(child)
thing:after(web)
web:post_start(function(ctx)
	curfew.spawn(function()
		local out = curfew.exec { "true", timeout = "30s" }
		assert(out.code == 0)
		curfew.stop()
	end)
end)
web:pre_stop(function(ctx) curfew.sleep "10ms" end, { name = "a moment", timeout = "30s" })
child:post_stop(function(ctx) curfew.log.info "child is gone" end)
EOP
valgrind -q --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite,indirect --child-silent-after-fork=yes \
	"$curfew" run "$tmp/policy.lua" >"$tmp/out" 2>&1 </dev/null
is $? 0 'a life from start to stop: no error of memory, no leak, code 0'
[ $tap_failed = 0 ] || diag "$tmp/out"
like "$tmp/out" 'child is gone' 'the hooks ran'
finish
