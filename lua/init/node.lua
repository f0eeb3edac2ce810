-- @POLICY@: a Node.js server and whoever balances its load:  curfew run @POLICY@
--
--   APP   its main file                            PORT   where it listens
--
-- The application closes at SIGTERM:  process.on('SIGTERM', () => server.close(() => process.exit(0)))
local curfew = require "curfew"

local port = os.getenv "PORT" or "3000"

curfew.configure {
	exit_timeout = "28s",
	-- /readyz says 503 from the very trigger on; hold: serve on until whoever balances the load has noticed.
	health = { listen = os.getenv "HEALTH" or "127.0.0.1:9090", hold = "3s" },
}

local app = curfew.process {
	name = "app",
	command = { "node", os.getenv "APP" or "server.js" },
	env = { PORT = port },
	ready = { tcp = "127.0.0.1:" .. port, timeout = "30s" },
	stop = { { signal = "TERM", wait = "20s" }, { signal = "KILL" } },
	restart = { on = "failure", backoff = "500ms", max = 3 },
}

app:post_stop(function(ctx)
	if ctx.result == "cut" then
		curfew.log.warn "the application did not close in time: does it hold keep-alive connections?"
	end
end, { name = "look" })

-- It came down for good, or ended by itself: so does this, with its code.
curfew.on("closed", function(t)
	if t.server == app then
		return curfew.graceful(t.code)
	end
end)
