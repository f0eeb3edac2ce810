-- examples/redis.lua, postgres.lua and nginx.lua, with programs that are answered for.
local sim = require "curfew.sim"

-- What each program of the policy's shell lines would print; a test can give others.
local function shell(answers)
	return function(args)
		local line = table.concat(args, " ")
		for _, one in ipairs(answers) do
			if line:find(one[1], 1, true) then
				return { stdout = one[2], code = one.code, takes = one.takes }
			end
		end
		return { stdout = "" }
	end
end

local REDIS = {
	{ "mktemp", "/tmp/x\n" },
	{ "--rdb", "", takes = "3s" },
	{ "redis-server", "0\n", takes = "1s" },
	{ "wc -l", "42\n" },
}

sim.test("redis: writers first, a backup, the server, the check of the backup", function(t)
	local run = t:load("../../examples/redis.lua", { exec = shell(REDIS) })
	for i = 1, 3 do
		run:server("writer" .. i):stops_in(i)
	end
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order("writer1 stopped", "writer2 stopped", "writer3 stopped", 'redis pre_stop "backup"', "redis stopped",
		'redis post_stop "check the backup"')
	t:like(run:log(), "backup taken")
	t:like(run:log(), "42 acknowledged writes, 0 missing")
	t:within("1ms", math.abs(run.ended_at - 10 - 3 - 3 - 1))
end)

sim.test("redis: a write that is missing is seen in the code", function(t)
	local run = t:load("../../examples/redis.lua", { exec = shell { { "redis-server", "2\n" }, { "wc -l", "42\n" } } })
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 1)
	t:like(run:log(), "acknowledged writes are missing")
end)

sim.test("postgres: the dump is taken before the fast shutdown", function(t)
	local run = t:load("../../examples/postgres.lua", { exec = shell {
		{ "id -u", "0\n" }, { "ls -d", "/usr/lib/postgresql/15/bin\n" }, { "mktemp", "/tmp/x\n" },
		{ "pg_restore", "0\n" }, { "wc -l <", "7\n" },
	} })
	run:at("10s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:order('postgres post_start "make the table"', "writer1 stopped", 'postgres pre_stop "dump"', "postgres stopped",
		'postgres post_stop "check the dump"')
	t:like(run:log(), "7 committed rows, 0 missing")
end)

sim.test("nginx: HUP is passed on, QUIT stops it", function(t)
	local files, reloads = {}, 0
	local run = t:load("../../examples/nginx.lua", { fs = files, env = { DIR = "/srv" }, exec = function(args)
		reloads = reloads + (args[#args] == "reload" and 1 or 0)
		return {}
	end })
	run:server("nginx"):stops_in "4s"
	run:at("1s", "SIGHUP"):at("2s", "SIGTERM")
	run:finish()
	t:equal(run.exit_code, 0)
	t:equal(reloads, 1)
	t:like(files["/srv/nginx.conf"], "listen 127.0.0.1:8080;")
	t:within("1ms", math.abs(run.ended_at - 2 - 0.5 - 4))
end)
