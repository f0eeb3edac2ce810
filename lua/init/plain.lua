-- @POLICY@: how @NAME@ starts and stops. Try it:  curfew run @POLICY@
local curfew = require "curfew"

curfew.configure { exit_timeout = "10s" }

local web = curfew.http {
	name = "web",
	listen = os.getenv "LISTEN" or "127.0.0.1:8080",
	routes = {
		["GET /"] = function()
			return "hello\n"
		end,
	},
}

-- Before it stops: still serving, while whoever balances the load notices that nothing more should come.
web:pre_stop(function(ctx)
	if ctx.mode == "graceful" then
		curfew.sleep "250ms"
	end
end, { name = "let the balancer notice" })

-- Afterwards: it serves nobody any more. ctx.result is "stopped", or "cut" where it had to be.
web:post_stop(function(ctx)
	curfew.log.info("web is", ctx.result)
end, { name = "tell" })

-- The first Ctrl-C stops in order, as everywhere; the second one means it.
curfew.on("SIGINT", function(t)
	if t.count > 1 then
		return curfew.abort(130)
	end
end)
