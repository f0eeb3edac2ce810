-- A child with a second between SIGTERM and SIGKILL.
local curfew = require "curfew"

curfew.process {
	name = "child",
	command = { os.getenv "BENCH_CHILD" },
	stop = { { signal = "TERM", wait = "1s" }, { signal = "KILL" } },
}
