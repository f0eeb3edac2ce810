-- redis.lua: a real redis-server with writers, a backup before it stops, and a check of that backup after.
--
-- What it shows: the writers depend on the database, so they end first; the backup is taken when nobody writes any more; once
-- the database is gone the backup is loaded by a second one and counted. No acknowledged write may be missing.
--
--   curfew run examples/redis.lua          (needs Debian's redis-server)
--
-- DIR: where it keeps its files; a temporary directory when not set.
local curfew = require "curfew"

curfew.configure { exit_timeout = "20s" }

local function sh(script, ...)
	local result, message = curfew.exec { "sh", "-ec", script, "sh", ... }
	if not result then
		error(message)
	elseif result.code ~= 0 then
		error(("%s: %s%s"):format(result.code or "signal " .. result.signal, result.stdout, result.stderr))
	end
	return (result.stdout:gsub("%s+$", ""))
end

local dir = os.getenv "DIR" or sh "mktemp -d"
local socket = dir .. "/redis.sock"

local db = curfew.process {
	name = "redis",
	command = { "redis-server", "--port", "0", "--unixsocket", socket, "--dir", dir, "--save", "" },
	stdout = "null",
	ready = { exec = { "redis-cli", "-s", socket, "ping" }, timeout = "10s" },
	stop = { { signal = "TERM", wait = "10s" }, { signal = "KILL" } },
}

-- Each writer notes what was acknowledged; at TERM it ends the write that it is at, then itself.
local WRITER = [[
	stop=; trap 'stop=1' TERM
	n=0
	while [ -z "$stop" ]; do
		n=$((n + 1))
		[ "$(redis-cli -s "$1" SET "$2:$n" "$n")" = OK ] && echo "$2:$n" >>"$3"
	done
]]
for i = 1, 3 do
	local acknowledged = dir .. "/acknowledged." .. i
	curfew.process {
		name = "writer" .. i,
		command = { "sh", "-c", WRITER, "writer", socket, "w" .. i, acknowledged },
		after = { db },
		stop = { { signal = "TERM", wait = "5s" } },
	}
end

db:pre_stop(function()
	sh([[redis-cli -s "$1" --rdb "$2/backup.rdb"]], socket, dir)
	curfew.log.info("backup taken")
end, { name = "backup", timeout = "10s" })

db:post_stop(function()
	-- a second server loads the backup; every acknowledged key must be there
	local missing = sh([[
		cd "$1"
		redis-server --port 0 --unixsocket "$1/check.sock" --dir "$1" --dbfilename backup.rdb --save "" --daemonize no >/dev/null &
		check=$!
		trap 'kill $check; wait $check || true' EXIT
		i=0
		until [ "$(redis-cli -s "$1/check.sock" ping 2>/dev/null)" = PONG ]; do
			i=$((i + 1)); [ $i -lt 200 ] || exit 1
			sleep 0.05
		done
		cat acknowledged.* | sed 's/^/EXISTS /' | redis-cli -s "$1/check.sock" | grep -vc '^1$' || true
	]], dir)
	local count = sh([[cat "$1"/acknowledged.* | wc -l]], dir)
	curfew.log.info(("backup checked: %s acknowledged writes, %s missing"):format(count, missing))
	if missing ~= "0" then
		error("acknowledged writes are missing from the backup")
	end
end, { name = "check the backup" })
