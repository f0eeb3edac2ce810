-- @POLICY@: redis, stopped after whoever writes to it, with everything on the disk:  curfew run @POLICY@
--
--   DATA   where it keeps its files                SOCKET   the unix socket where it is asked
local curfew = require "curfew"

local data = os.getenv "DATA" or "."
local socket = os.getenv "SOCKET" or data .. "/redis.sock"

curfew.configure { exit_timeout = "30s" }

local redis = curfew.process {
	name = "redis",
	command = { "redis-server", "--port", "0", "--unixsocket", socket, "--dir", data, "--appendonly", "yes" },
	stdout = "log",
	ready = { exec = { "redis-cli", "-s", socket, "ping" }, timeout = "30s" },
	stop = { { signal = "TERM", wait = "20s" }, { signal = "KILL" } },
}

-- What writes to it goes here, as another process: after redis when it starts, before it when it stops.
--
--   curfew.process { name = "worker", command = { "/srv/worker" }, after = { redis } }

redis:pre_stop(function()
	local result, message = curfew.exec { "redis-cli", "-s", socket, "save" }
	if not result or result.code ~= 0 then
		error("redis did not save: " .. (result and result.stderr or message))
	end
end, { name = "save", timeout = "15s" })
