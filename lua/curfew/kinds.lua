-- kinds.lua: what the definitions of servers may say, kind by kind.
local c = require "curfew.core"
local address = require "curfew.address"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"
local signals = require "curfew.signals"

local required, simple = schema.required, schema.simple

local HOOK_HINT = "hooks are added to the server: %s"
local hints = {}
for _, phase in ipairs { "pre_start", "post_start", "pre_stop", "post_stop" } do
	hints[phase] = string.format(HOOK_HINT, "web:" .. phase .. "(function(ctx) … end)")
end

-- ---- words shared by all kinds

-- A server by its handle or its name.
local function server_name(v, what, path)
	local handles = require "curfew.servers"
	local name = handles.name_of(v)
	if not name then
		schema.bad(what, path, "a server or its name", v)
	end
	if type(v) == "string" and not c.server_find(v) then
		local context = path and what .. ": " .. path or what
		misuse.raise(context, "there is no server %s%s", misuse.show(v), misuse.suggest(v, handles.names()))
	end
	return name
end

local after = schema.one_or_more(server_name, 'a list of servers such as { db, "cache" }', function(v)
	return type(v) ~= "table" or getmetatable(v) ~= nil
end)

local restart_on = schema.one_of { "never", "failure", "always" }
local restart_table = schema.record({
	on = required(restart_on),
	backoff = schema.duration,
	max = schema.integer(0, 1000000),
}, { expected = 'a table such as { on = "failure", backoff = "200ms", max = 5 }' })

local function restart(v, what, path)
	if type(v) == "string" then
		return { on = restart_on(v, what, path) }
	end
	return restart_table(v, what, path)
end

local common = {
	name = required(schema.name),
	after = after,
	start_timeout = schema.period,
	stop_timeout = schema.period,
	restart = restart,
	expect_exit = schema.boolean,
}

local listen = schema.one_or_more(address.listen, "a list of addresses")

-- ---- process

local WORDS = 'a list such as { "redis-server", "--port", "7001" }'
local words = schema.list(schema.word, WORDS, 1)

local function command(v, what, path)
	local out = words(v, what, path)
	if out[1] == "" then
		misuse.raise(path and what .. ": " .. path or what, "the name of the program is empty")
	end
	return out
end

local variable = simple("names of variables without =", function(v)
	return type(v) == "string" and v ~= "" and not string.find(v, "[=\0]") and v or nil
end)
local env = schema.map(variable, schema.word, 'a table such as { KEY = "value" }')

local url = simple('a URL such as "http://127.0.0.1:8080/ready"', function(v)
	return type(v) == "string" and string.find(v, "^https?://[^/%s%c]+[^%s%c]*$") and v or nil
end)

local READY = { "tcp", "http", "exec", "notify", "delay" }
local ready = schema.record({
	tcp = address.peer,
	http = url,
	exec = command,
	notify = simple("true", function(v)
		return v == true or nil
	end),
	delay = schema.duration,
	timeout = schema.period,
	interval = schema.period,
}, {
	expected = 'a table such as { tcp = "127.0.0.1:7001", timeout = "10s" }',
	check = function(out, what, path)
		local given = {}
		for _, key in ipairs(READY) do
			given[#given + 1] = out[key] ~= nil and key or nil
		end
		if #given ~= 1 then
			local got = #given == 0 and "none" or table.concat(given, " and ")
			misuse.raise(what .. ": " .. path, "expected exactly one of tcp, http, exec, notify or delay, got %s", got)
		end
	end,
})

local step_table = schema.record({
	signal = required(signals.type),
	wait = schema.duration,
}, { expected = 'a step such as { signal = "TERM", wait = "10s" }' })

local function step(v, what, path)
	if type(v) == "string" then
		return { signal = signals.type(v, what, path) }
	end
	return step_table(v, what, path)
end

local STEPS = 'a list of steps such as { { signal = "TERM", wait = "10s" }, { signal = "KILL" } }'
local stop = schema.one_or_more(step, STEPS, function(v)
	return type(v) == "string" or type(v) == "table" and (v.signal ~= nil or v.wait ~= nil)
end)

local OUTPUTS = schema.quoted { "inherit", "log", "null", "file:/path" }
local output = simple("one of " .. OUTPUTS, function(v)
	if v == "inherit" or v == "log" or v == "null" then
		return v
	end
	return type(v) == "string" and string.find(v, "^file:[^\0]+$") and v or nil
end)

local account = simple("a name or a number", function(v)
	if math.type(v) == "integer" and v >= 0 then
		return tostring(v)
	end
	return type(v) == "string" and v ~= "" and not string.find(v, "[%c:]") and v or nil
end)

local process = {
	command = required(command),
	env = env,
	clear_env = schema.boolean,
	cwd = schema.text,
	user = account,
	group = account,
	stdin = schema.one_of { "null", "inherit" },
	stdout = output,
	stderr = output,
	ready = ready,
	stop = stop,
	stop_to = schema.one_of { "group", "main" },
	new_session = schema.boolean,
	foreground = schema.boolean,
	overlap = schema.boolean,
}

-- ---- the four kinds

local http = {
	listen = required(listen),
	keep_alive = schema.duration,
	request_timeout = schema.period,
	drain = schema.duration,
	idle_grace = schema.duration,
	close_spread = schema.duration,
	max_body = schema.size,
	max_headers = schema.size,
	routes = require "curfew.routes",
	handler = schema.func,
}

local tcp = {
	listen = required(listen),
	handler = required(schema.func),
	drain = schema.duration,
	max_connections = schema.integer(1, 1 << 30),
}

local pair = {
	start = schema.func,
	stop = schema.func,
	abort = schema.func,
}

local function kind(fields, example)
	return schema.record(schema.merge(common, fields), { hints = hints, expected = "a table such as " .. example })
end

return {
	http = kind(http, '{ name = "web", listen = "127.0.0.1:8080", routes = {…} }'),
	tcp = kind(tcp, '{ name = "echo", listen = "127.0.0.1:7", handler = function(conn) … end }'),
	process = kind(process, '{ name = "db", command = { "redis-server" } }'),
	server = kind(pair, '{ name = "thing", start = function(ctx) … end, stop = function(ctx) … end }'),
	types = { command = command, env = env, url = url, account = account, listen = listen, server_name = server_name },
}
