-- schedule.lua: one schedule of `curfew test --explore`, as it is printed where it breaks something, run again.
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"

-- false is never.
local function time(v, what, path)
	return v ~= false and schema.duration(v, what, path)
end

local integer = schema.integer(0, 1000000)

local item = schema.record({
	server = schema.name,
	starts = time,
	fails = schema.boolean,
	lives = time,
	dies = time,
	signal = integer,
	code = integer,
	stops = time,
	cut = time,
	hook = schema.name,
	takes = time,
	full = schema.boolean,
	extends = time,
	exits = integer,
	trigger = schema.name,
	at = time,
	of = schema.name,
	by = time,
	exit = schema.boolean,
	asks = schema.boolean,
	times = schema.integer(0, 64),
	answer = integer,
	again = time,
	late = time,
	reload = schema.one_of { "good", "broken" },
	updated = schema.name,
	replaced = schema.name,
	overlapped = schema.name,
	removed = schema.name,
	added = schema.name,
	memory = integer,
	all = schema.boolean,
	question = integer,
	finish = time,
}, { expected = 'a table such as { trigger = "SIGTERM", at = "1s" }' })

local items = schema.list(item, "a list of what happens")

-- sim.schedule(name, path, what happens)
return function(name, path, list)
	if type(name) ~= "string" or name == "" then
		misuse.expected("sim.schedule", "the name of the test", name)
	elseif type(path) ~= "string" or path == "" then
		misuse.expected("sim.schedule", "the path of a policy", path)
	end
	local all = items(list, "sim.schedule")
	return {
		name = name,
		explore = function()
			local broken, why = c.service("sim.schedule", { path = path, items = all })
			return broken == "", broken or why
		end,
	}
end
