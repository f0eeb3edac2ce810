-- @POLICY@: the entry point of a container:  ENTRYPOINT ["curfew", "run", "/@POLICY@"]
--
--   APP     the application, a shell line          HEALTH   where /readyz, /healthz and /metrics are answered
local curfew = require "curfew"

-- Kubernetes kills after terminationGracePeriodSeconds, 30 by default:  curfew plan --grace 30s @POLICY@
curfew.configure {
	exit_timeout = "28s",
	-- /readyz says 503 from the very trigger on; hold: serve on until whoever balances the load has noticed.
	health = { listen = os.getenv "HEALTH" or "127.0.0.1:9090", hold = "3s" },
}

local app = curfew.process {
	name = "app",
	command = { "/bin/sh", "-c", os.getenv "APP" or "exec sleep 1000000" },
	ready = { delay = "1s" }, -- better: { http = "http://127.0.0.1:8080/healthz", timeout = "30s" }
	stop = { { signal = "TERM", wait = "20s" }, { signal = "KILL" } },
}

app:post_stop(function(ctx)
	curfew.log.info(("app: %s after %.1f seconds"):format(ctx.result, ctx.elapsed))
end, { name = "tell" })

-- The application ended by itself: the container ends with its code, so that whoever runs it sees what happened.
curfew.on("closed", function(t)
	if t.server == app then
		return curfew.graceful(t.code)
	end
end)
