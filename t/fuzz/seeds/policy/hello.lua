-- hello.lua: one HTTP server, ended properly.
--
--   curfew run examples/hello.lua
--   curl http://127.0.0.1:8080/
--   kill -TERM …            or Ctrl-C: requests under way are finished first
--
-- HELLO_LISTEN=127.0.0.1:0 listens elsewhere; port 0 takes any free one.
local curfew = require "curfew"

local web = curfew.http {
	name = "web",
	listen = os.getenv "HELLO_LISTEN" or "127.0.0.1:8080",
	routes = {
		-- A handler returns the body; status 200 goes without saying.
		["GET /"] = function(req, res)
			return "Hello\n"
		end,
		-- It may wait: nobody else is held up. A stop waits for it.
		["GET /slow"] = function(req, res)
			curfew.sleep("1s")
			return "Hello, at last\n"
		end,
		-- Parts of the path that begin with a colon are in req.params.
		["GET /hello/:name"] = function(req, res)
			return 200, "Hello, " .. req.params.name .. "\n", { ["Cache-Control"] = "no-store" }
		end,
	},
}

web:post_start(function(ctx)
	curfew.log.info("listening at", ctx.server.address)
end)

-- Runs when the stop begins, while requests are still served: a load balancer in front has time to see that this server is
-- going.
web:pre_stop(function(ctx)
	curfew.log.info("stopping because of", ctx.trigger.name)
	curfew.sleep("250ms")
end, { name = "let the balancer notice", timeout = "2s" })
