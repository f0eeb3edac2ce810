-- postgres.lua: a real PostgreSQL cluster with writers, a dump before it stops, and a check of that dump after.
--
--   curfew run examples/postgres.lua       (needs Debian's postgresql)
--
-- The cluster is made afresh under DIR (a temporary directory when not set). PostgreSQL refuses to run as root: then its user
-- "postgres" is taken.
local curfew = require "curfew"

curfew.configure { exit_timeout = "30s" }

local user = nil
local function exec(command)
	local result, message = curfew.exec(command)
	if not result then
		error(message)
	elseif result.code ~= 0 then
		error(("%s: %s%s"):format(result.code or "signal " .. result.signal, result.stdout, result.stderr))
	end
	return (result.stdout:gsub("%s+$", ""))
end
local function sh(script, ...)
	return exec { "sh", "-ec", script, "sh", user = user, ... }
end

local root = sh "id -u" == "0"
local bin = sh "ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1"
local dir = os.getenv "DIR" or sh "mktemp -d"
if root then
	user = "postgres"
	exec { "chown", "postgres", dir }
end
sh([["$1/initdb" -D "$2/data" -A trust --no-sync -U postgres >/dev/null]], bin, dir)

local db = curfew.process {
	name = "postgres",
	command = { bin .. "/postgres", "-D", dir .. "/data", "-k", dir, "-c", "listen_addresses=" },
	user = user,
	stdout = "null",
	stderr = "log",
	ready = { exec = { bin .. "/pg_isready", "-q", "-h", dir }, timeout = "30s" },
	-- INT is PostgreSQL's fast shutdown: sessions are ended, nothing committed is lost. TERM would wait for them.
	stop = { { signal = "INT", wait = "20s" }, { signal = "QUIT", wait = "2s" }, { signal = "KILL" } },
}
db:post_start(function()
	sh([["$1/psql" -qh "$2" -U postgres -c 'CREATE TABLE entries (name text PRIMARY KEY)']], bin, dir)
end, { name = "make the table" })

-- Each writer notes what was committed; at TERM it ends the write that it is at, then itself.
local WRITER = [[
	stop=; trap 'stop=1' TERM
	n=0
	while [ -z "$stop" ]; do
		n=$((n + 1))
		"$1/psql" -qh "$2" -U postgres -c "INSERT INTO entries VALUES ('$3:$n')" && echo "$3:$n" >>"$2/committed.$3"
	done
]]
for i = 1, 2 do
	curfew.process {
		name = "writer" .. i,
		command = { "sh", "-c", WRITER, "writer", bin, dir, "w" .. i },
		user = user,
		after = { db },
		stop = { { signal = "TERM", wait = "5s" } },
	}
end

db:pre_stop(function()
	sh([["$1/pg_dump" -h "$2" -U postgres -Fc -f "$2/backup.dump" postgres]], bin, dir)
	curfew.log.info("dump taken")
end, { name = "dump", timeout = "15s" })

db:post_stop(function()
	local missing = sh([[
		cd "$2"
		cat committed.* | sort >committed
		"$1/pg_restore" --data-only -t entries -f - backup.dump | grep '^w[0-9]*:' | sort >restored
		comm -23 committed restored | wc -l
	]], bin, dir)
	local count = sh([[wc -l <"$1/committed"]], dir)
	curfew.log.info(("dump checked: %s committed rows, %s missing"):format(count, missing))
	if missing ~= "0" then
		error("committed rows are missing from the dump")
	end
end, { name = "check the dump" })
