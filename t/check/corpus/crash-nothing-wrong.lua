local curfew = require "curfew"
local web = curfew.http {
	name = "web", listen = "127.0.0.1:0",
	routes = {
		["GET /"] = function(req, res) return "hello\n" end,
		["GET /slow"] = function(req, res)
			curfew.sleep("2s")
			return "at last\n"
		end,
	},
}
web:pre_stop(function(ctx)
	curfew.log.info("left", ctx:remaining())
	curfew.sleep("250ms")
end, { name = "balancer", timeout = "2s" })
curfew.on("SIGINT", function(t)
	if t.count > 1 then return curfew.abort(130) end
end)
