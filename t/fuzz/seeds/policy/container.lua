-- container.lua: the entry point of a container.
--
--   ENTRYPOINT ["curfew", "run", "/etc/curfew/container.lua"]
--
-- The application is a child of curfew, which is PID 1: it passes the stop on, waits for the whole tree, reaps what is
-- orphaned, and ends with a code that says what happened. The environment says what to run:
--
--   APP          the command, a shell line            APP_READY   its address: ready when it accepts a connection
--   APP_HOLD     time between "not ready" and TERM    APP_GRACE   time between TERM and KILL
--   HEALTH       where /readyz and /healthz are answered
local curfew = require "curfew"

local app_command = os.getenv "APP" or "exec sleep 1000000"
local app_ready = os.getenv "APP_READY"
local hold = os.getenv "APP_HOLD" or "2s"
local grace = os.getenv "APP_GRACE" or "20s"

-- Kubernetes kills after terminationGracePeriodSeconds, 30 by default: be done before.
curfew.configure {
	exit_timeout = "28s",
	log = { format = os.getenv "LOG_FORMAT" or "text" },
	-- What the balancer asks. /readyz is 503 from the beginning of the stop on, while the application still serves.
	health = { listen = os.getenv "HEALTH" or "127.0.0.1:9090" },
}

local app = curfew.process {
	name = "app",
	command = { "/bin/sh", "-c", app_command },
	ready = app_ready and { tcp = app_ready, timeout = "30s" } or nil,
	stop = { { signal = "TERM", wait = grace }, { signal = "KILL" } },
}

app:post_start(function()
	curfew.log.info("app is ready, pid", app.pid)
end)

-- Requests are lost when the stop races the balancer's update: "not ready" is said, go on serving for a while, only then stop.
-- An abort has no time for that, and an application that has ended by itself serves nobody.
app:pre_stop(function(ctx)
	if ctx.mode == "graceful" and ctx.trigger.name ~= "closed" then
		curfew.log.info("holding for the balancer, then TERM; seconds left:", ("%.1f"):format(ctx:remaining()))
		curfew.sleep(hold)
	end
end, { name = "hold for the balancer" })

app:post_stop(function(ctx)
	curfew.log.info(("app: %s after %.1f seconds"):format(ctx.result or "gone", ctx.elapsed))
end)

-- The first Ctrl-C or TERM is graceful, as everywhere; the second one means it.
curfew.on({ "SIGINT", "SIGTERM" }, function(t)
	if t.count > 1 then
		return curfew.abort(t.name == "SIGINT" and 130 or 143)
	end
end)

-- The application ended by itself: the container ends, with its code, so that whoever runs it sees what happened. Where a
-- signal ended it the code is 128 and the signal's number, as in a shell. Code 0 is an end as planned.
curfew.on("closed", function(t)
	if t.server == app then
		curfew.log.warn("app ended by itself, code", t.code)
		return curfew.graceful(t.code)
	end
end)
