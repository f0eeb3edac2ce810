-- explore.lua: a check of the test's own under random schedules: full runs, hooks and all; the first that fails is made small.
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"
local test = require "curfew.sim.test"

local MS = 1000000
local TIMES = { 0, 0, 1, 20, 100, 500, 1000, 3000, 8000, 40000 }
local TRIGGERS = { "SIGTERM", "SIGTERM", "SIGINT", "SIGINT", "SIGQUIT", "SIGHUP", "exit", "error", "stop", "abort" }
local ROUNDS = 4

-- Numbers from a seed, the same on every machine.
local function random(seed)
	local state = seed * 0x9e3779b97f4a7c15 + 1
	return function(n)
		state = state ~ state << 13
		state = state ~ state >> 7
		state = state ~ state << 17
		return (state >> 33) % n
	end
end

local function some_time(rnd)
	return TIMES[rnd(#TIMES) + 1] * MS
end

-- ---- a schedule: a list of things that are said of a run, each of which can be left out

local function draw(rnd, names, triggers)
	local all = {}
	for _, name in ipairs(names) do
		if rnd(3) == 0 then
			all[#all + 1] = { server = name, say = "starts_in", ns = some_time(rnd) }
		end
		if rnd(12) == 0 then
			all[#all + 1] = { server = name, say = "fails" }
		end
		if rnd(2) == 0 then
			all[#all + 1] = { server = name, say = "stops_in", ns = some_time(rnd) }
		elseif rnd(8) == 0 then
			all[#all + 1] = { server = name, say = "never_stops" }
		end
		if rnd(5) == 0 then
			local how = rnd(2) == 0 and "KILL" or { code = rnd(3) }
			all[#all + 1] = { server = name, say = "dies_at", ns = rnd(10000) * MS, how = how }
		end
	end
	local at = (1 + rnd(8000)) * MS -- at 0 there would be no policy yet: the end would come before its first line
	for _ = 1, rnd(4) do
		all[#all + 1] = { trigger = triggers[rnd(#triggers) + 1], ns = at }
		at = at + rnd(3000) * MS
	end
	return all
end

local function seconds(ns)
	return ns / 1e9
end

-- It always ends: a SIGTERM comes last, and twice more.
local function apply(run, all)
	local last = 10
	for _, one in ipairs(all) do
		if one.trigger then
			run:at(seconds(one.ns), one.trigger)
			last = math.max(last, seconds(one.ns))
		elseif one.ns then
			local server = run:server(one.server)
			server[one.say](server, seconds(one.ns), one.how)
		else
			local server = run:server(one.server)
			server[one.say](server)
		end
	end
	for i = 0, 2 do
		run:at(last + i * 100, "SIGTERM")
	end
end

local function describe(all)
	local lines = {}
	for _, one in ipairs(all) do
		if one.trigger then
			lines[#lines + 1] = ("  run:at(%.9g, %q)"):format(seconds(one.ns), one.trigger)
		else
			local args = one.ns and ("%.9g"):format(seconds(one.ns)) or ""
			local code = type(one.how) == "table" and one.how.code
			local how = code and (", { code = %d }"):format(code) or one.how and (", %q"):format(one.how) or ""
			lines[#lines + 1] = ("  run:server(%q):%s(%s%s)"):format(one.server, one.say, args, how)
		end
	end
	lines[#lines + 1] = '  and SIGTERM at the end'
	return table.concat(lines, "\n")
end

-- ---- trying

local function try(spec, seed, all)
	return test.run {
		where = spec.where,
		f = function(t)
			local run = t:load(spec.path, spec.load and spec.load(seed) or nil)
			apply(run, all)
			run:finish()
			spec.check(run, t)
		end,
	}
end

local function without(all, i)
	local less = table.move(all, 1, #all, 1, {})
	table.remove(less, i)
	return less
end

local function first_line(text)
	return text:match "[^\n]*"
end

local function shrink(spec, seed, all, text)
	for _ = 1, ROUNDS do
		local smaller = false
		for i = #all, 1, -1 do
			local less = without(all, i)
			local ok, said = try(spec, seed, less)
			if not ok and first_line(said) == first_line(text) then -- the same, not another
				all, text, smaller = less, said, true
			end
		end
		if not smaller then
			break
		end
	end
	return all, text
end

local function names_of(spec)
	local names
	local ok, text = test.run {
		where = spec.where,
		f = function(t)
			names = t:load(spec.path, spec.load and spec.load(spec.seed) or nil):advance(0).names
		end,
	}
	return ok and names, text
end

local options = schema.record({
	runs = schema.integer(1, 1000000),
	seed = schema.integer(0, math.maxinteger),
	load = schema.func,
	triggers = schema.list(schema.name, "a list of triggers", 1),
}, { expected = "a table such as { runs = 200, seed = 1 }" })

-- As a test: true, or false and what there is to say.
local function explore(spec)
	local names, why = names_of(spec)
	if not names then
		return false, why
	end
	for seed = spec.seed, spec.seed + spec.runs - 1 do
		local all = draw(random(seed), names, spec.triggers)
		local ok, text = try(spec, seed, all)
		if not ok then
			all, text = shrink(spec, seed, all, text)
			return false, ("with seed %d, made small:\n%s\n%s"):format(seed, describe(all), text)
		end
	end
	return true
end

-- sim.explore(name, path, check, opts): check(run, t) after each of opts.runs (100) random runs, the first with opts.seed (1);
-- opts.load(seed) gives what t:load takes beside the path; opts.triggers are those that come.
return function(name, path, check, opts)
	if type(name) ~= "string" or name == "" then
		misuse.expected("sim.explore", "the name of the test", name)
	elseif type(path) ~= "string" or path == "" then
		misuse.expected("sim.explore", "the path of a policy", path)
	elseif type(check) ~= "function" then
		misuse.expected("sim.explore", "a function that takes the run and the test", check)
	end
	local o = opts ~= nil and options(opts, "sim.explore") or {}
	local spec = { path = path, check = check, where = c.where(1) or "?", runs = o.runs or 100, seed = o.seed or 1, load = o.load,
		triggers = o.triggers or TRIGGERS }
	return { name = name, explore = function() return explore(spec) end }
end
