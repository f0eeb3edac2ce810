-- full_test.lua: full runs of full.lua, hooks, servers' functions, services and reloads included, under random schedules.
local sim = require "curfew.sim"

local HOOKS = { "DB", "WEB", "LUA", "UP", "LAST", "START", "STOP" }
local WAYS = { "slow", "hangs", "raises", "throws", "grows", "exits", "exits_badly", "asks", "extends", "races",
	"fails_in_task" }
local BREAKS = { "raises", "throws", "grows", "exits_badly" }

local function random(seed)
	local state = seed * 0x9e3779b97f4a7c15 + 12345
	return function(n)
		state = state ~ state << 13
		state = state ~ state >> 7
		state = state ~ state << 17
		return (state >> 33) % n
	end
end

local function behaviour(seed)
	local rnd = random(seed)
	local env = {}
	for _ = 1, 4 do
		rnd(1)
	end
	for _, hook in ipairs(HOOKS) do
		env[hook] = rnd(3) == 0 and WAYS[rnd(#WAYS) + 1] or nil
	end
	if rnd(2) == 0 then
		local from = 0.001 + rnd(5)
		env.FROM, env.TO = tostring(from), tostring(from + 1 + rnd(6))
		env.BROKEN = BREAKS[rnd(#BREAKS) + 1]
	end
	env.LOADS = rnd(4) == 0 and "slowly" or nil
	env.WEB = rnd(40) == 0 and "spins" or env.WEB
	return {
		env = env,
		exec = rnd(4) == 0 and { code = 1, takes = "1s" } or { stdout = "x" },
		fetch = { status = 200, body = "x", takes = rnd(4) == 0 and "30s" or 0 },
		fs = { ["/x"] = "y" },
	}
end

sim.explore("hooks that are slow, hang, raise, grow and exit; services; reloads, good and broken", "full.lua", function(run, t)
	for _, event in ipairs(run:events()) do
		t:ok(event.server ~= "ghost", "S7.1: nothing of a policy that came to nothing is there: " .. event.name)
	end
	t:ok(not run:log():find("a ghost", 1, true), "S7.1: nor what it had begun")
	t:ok(run.exit_code ~= 66, "S7.1: nor its rules")
	t:ok(not run:log():find("bug", 1, true), "nothing is curfew's own mistake")
end, { runs = tonumber(os.getenv "RUNS") or 300, seed = tonumber(os.getenv "SEED") or 1, load = behaviour,
	triggers = { "SIGHUP", "SIGHUP", "SIGHUP", "SIGHUP", "SIGHUP", "SIGTERM", "SIGINT", "exit", "error", "stop", "abort" } })
