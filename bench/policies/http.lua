-- One HTTP server on port BENCH_PORTS; a reply takes BENCH_DELAY (none: at once).
local curfew = require "curfew"

local delay = os.getenv "BENCH_DELAY"

curfew.http {
	name = "web",
	listen = "127.0.0.1:" .. os.getenv "BENCH_PORTS",
	routes = {
		["GET /"] = function()
			if delay then
				curfew.sleep(delay)
			end
			return "ok\n"
		end,
	},
}
