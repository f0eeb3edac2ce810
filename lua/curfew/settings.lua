-- settings.lua: what curfew.configure takes.
local address = require "curfew.address"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"

local listen = schema.one_or_more(address.listen, "a list of addresses")

local socket = schema.record({ path = schema.required(schema.text), group = schema.name }, {
	expected = '"/run/curfew.sock" or a table such as { path = "/run/curfew.sock", group = "ops" }',
})
local function control(v, what, path)
	return type(v) == "string" and schema.text(v, what, path) or socket(v, what, path)
end

-- A hook of any server fails that has no time at all to run in (S4.12).
local MS = 1000000
local function cpu(v, what, path)
	local ns = schema.period(v, what, path)
	if ns < MS then
		misuse.raise(what, "%s is %s, and less than 1ms is not enough to do anything in", path, misuse.show(v))
	end
	return ns
end

return schema.record({
	exit_timeout = schema.period,
	max_exit_timeout = schema.period,
	start_timeout = schema.period,
	stall_limit = schema.period,
	stop_margin = schema.duration,
	strict = schema.boolean,
	memory_limit = schema.size,
	hook_cpu_limit = cpu,
	request_cpu_limit = cpu,
	load_limit = cpu,
	reload_grace = schema.duration,
	control = control,
	health = schema.record({
		listen = schema.required(listen),
		hold = schema.duration,
		probes = schema.integer(1, 1000),
	}, {
		expected = 'a table such as { listen = "127.0.0.1:9090", hold = "2s" }',
		check = function(out, what)
			if out.probes and not out.hold then
				misuse.raise(what, "health.probes ends a health.hold, and there is none")
			end
		end,
	}),
	watch = schema.boolean,
	log = schema.record({
		level = schema.one_of { "debug", "info", "warn", "error" },
		format = schema.one_of { "text", "logfmt", "json" },
	}, { expected = 'a table such as { level = "info", format = "text" }' }),
}, {
	expected = 'a table such as { exit_timeout = "5s" }',
	check = function(out, what)
		if out.exit_timeout and out.max_exit_timeout and out.max_exit_timeout < out.exit_timeout then
			misuse.raise(what, "max_exit_timeout is shorter than exit_timeout")
		end
	end,
})
