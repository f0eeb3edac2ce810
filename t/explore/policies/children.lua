-- children.lua: processes: steps of a stop, one that is never killed, restarts that give up, one that overlaps at a reload.
local curfew = require "curfew"

local slow = curfew.process {
	name = "slow", command = { "slow" }, stop = { { signal = "INT", wait = "1s" }, { signal = "TERM", wait = "20s" } },
}
local queue = curfew.process {
	name = "queue", command = { "queue" }, restart = { on = "failure", backoff = "100ms", max = 3 },
	stop = { { signal = "TERM", wait = "500ms" }, { signal = "KILL" } },
}
curfew.process { name = "worker", command = { "worker" }, after = { queue }, restart = "always", overlap = true }
curfew.process { name = "job", command = { "job" }, expect_exit = true, start_timeout = "2s" }
slow:pre_stop(function() end)
queue:pre_stop(function() end, { timeout = "2s" })
queue:post_start(function() end)
