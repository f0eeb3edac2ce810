-- haproxy.lua: a real haproxy as a child, stopped the way that loses nothing: SIGUSR1, its grace, then what is under way.
--
--   BACKEND=127.0.0.1:8000 curfew run examples/haproxy.lua          (needs Debian's haproxy; haproxy.cfg is beside it)
--
-- LISTEN, BACKEND: addresses. CFG: the configuration. MODE: -db, or -W for a master and its worker.
local curfew = require "curfew"

curfew.configure { exit_timeout = "10s" }

local listen = os.getenv "LISTEN" or "127.0.0.1:8080"

local web = curfew.process {
	name = "haproxy",
	command = { "haproxy", os.getenv "MODE" or "-db", "-f", os.getenv "CFG" or "examples/haproxy.cfg" },
	env = { LISTEN = listen, BACKEND = os.getenv "BACKEND" or "127.0.0.1:8000" },
	ready = { tcp = listen, timeout = "10s" },
	-- grace and hard-stop-after of haproxy.cfg are within this wait
	stop = { { signal = "USR1", wait = "8s" }, { signal = "KILL" } },
}

web:pre_stop(function()
	curfew.log.info "> pre_stop"
end)

web:post_stop(function()
	curfew.log.info "> post_stop"
end)
