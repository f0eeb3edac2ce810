-- exec.lua: curfew.exec, a command run to its end.
local async = require "curfew.async"
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"

local types = require "curfew.kinds".types

local options = schema.record {
	timeout = schema.period,
	env = types.env,
	cwd = schema.text,
	stdin = schema.bytes,
	user = types.account,
}

local EXPECTED = 'a table such as { "pg_dump", "db", timeout = "10s" }'

-- env, or nil, for a command: in a hook it has the seconds that are left before the hook is cut.
local function environment(env)
	local due = c.due()
	if due and not (env and env.CURFEW_REMAINING) then
		env = env or {}
		env.CURFEW_REMAINING = string.format("%.3f", math.max(0, due - c.now()))
	end
	return env
end

-- { "cmd", "arg", timeout =, env =, cwd =, stdin =, user = } -> { code, signal, stdout, stderr }
local function exec(spec, callback)
	local what = "curfew.exec"
	if type(spec) ~= "table" then
		misuse.expected(what, EXPECTED, spec)
	end
	local words, rest = {}, {}
	for key, value in pairs(spec) do
		if math.type(key) == "integer" then
			words[key] = value
		else
			rest[key] = value
		end
	end
	if next(words) == nil then
		misuse.raise(what, "the command is empty: expected %s", EXPECTED)
	end
	local args = options(rest, what)
	args.command = types.command(words, what)
	args.env = environment(args.env)
	return async.service(what, "exec", args, callback)
end

return { exec = exec, environment = environment }
