-- test.lua: one test: what it checks, and what it says when a check does not hold.
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local run = require "curfew.sim.run"
local units = require "curfew.units"

local Test = { __name = "curfew.sim.test" }
Test.__index = function(_, key)
	local method = rawget(Test, key)
	if method ~= nil then
		return method
	end
	local names = {}
	for name in pairs(Test) do
		names[#names + 1] = not name:find "^__" and name or nil
	end
	return misuse.raise("t", "unknown name %s%s", misuse.show(key), misuse.suggest(key, names))
end

-- ---- values as a message shows them

local function show(v, depth)
	if type(v) ~= "table" or (depth or 0) > 3 then
		return misuse.show(v)
	end
	local words, n = {}, #v
	for i = 1, n do
		words[i] = show(v[i], (depth or 0) + 1)
	end
	local keys = {}
	for key in pairs(v) do
		if math.type(key) ~= "integer" or key < 1 or key > n then
			keys[#keys + 1] = key
		end
	end
	table.sort(keys, function(a, b)
		return tostring(a) < tostring(b)
	end)
	for _, key in ipairs(keys) do
		words[#words + 1] = ("%s = %s"):format(tostring(key), show(v[key], (depth or 0) + 1))
	end
	return "{ " .. table.concat(words, ", ") .. " }"
end

-- A text of many lines, such as a log, as these lines: the last of them.
local function show_text(v)
	if type(v) ~= "string" or not v:find "\n" then
		return show(v)
	end
	local lines = {}
	for line in (v .. "\n"):gmatch "(.-)\n" do
		lines[#lines + 1] = "    " .. line
	end
	return "the lines\n" .. table.concat(lines, "\n", math.max(1, #lines - 39))
end

local function same(a, b)
	if type(a) ~= "table" or type(b) ~= "table" then
		return a == b
	end
	for key, value in pairs(a) do
		if not same(value, b[key]) then
			return false
		end
	end
	for key in pairs(b) do
		if a[key] == nil then
			return false
		end
	end
	return true
end

-- ---- checks: each returns whether it held, and the test goes on

local function fail(self, words, fmt, ...)
	local text = fmt:format(...)
	if words ~= nil then
		text = ("%s: %s"):format(tostring(words), text)
	end
	self.failures[#self.failures + 1] = ("%s: %s"):format(c.where(1) or self.where, text)
	return false
end

function Test:ok(held, words)
	return held and true or fail(self, words, "does not hold, got %s", show(held))
end

function Test:equal(got, expected, words)
	return same(got, expected) or fail(self, words, "not equal\n     got: %s\nexpected: %s", show(got), show(expected))
end
Test.is = Test.equal

function Test:like(text, pattern, words)
	if type(pattern) ~= "string" then
		misuse.expected("t:like", "a Lua pattern", pattern)
	end
	return type(text) == "string" and text:find(pattern) and true
		or fail(self, words, "not like the pattern\n     got: %s\n pattern: %s", show_text(text), show(pattern))
end

function Test:fail(words)
	return fail(self, nil, "%s", tostring(words or "failed"))
end

-- t:within("5s", seconds): not negative, and no longer than that.
function Test:within(limit, seconds, words)
	local ns = units.duration(limit)
	if not ns then
		misuse.expected("t:within", units.DURATION, limit)
	elseif type(seconds) ~= "number" then
		misuse.expected("t:within", "a number of seconds", seconds)
	end
	return seconds >= 0 and seconds * 1e9 <= ns + 1000
		or fail(self, words, "not within %s: it took %.9g s", tostring(limit), seconds)
end

local function this_run(self, what)
	return rawget(self, "current") or misuse.raise(what, "no policy was loaded: t:load comes first")
end

-- "web pre_stop", or with the hook's name, 'web pre_stop "drain"'.
local function matches(event, name)
	return event.name == name or (event.hook and ('%s "%s"'):format(event.name, event.hook) == name)
end

local function happened(events, name, from)
	for i = from, #events do
		if matches(events[i], name) then
			return i
		end
	end
	return nil
end

local function near(events, name)
	local names, seen = {}, {}
	for _, event in ipairs(events) do
		if not seen[event.name] then
			seen[event.name] = true
			names[#names + 1] = event.name
		end
	end
	return misuse.suggest(name, names)
end

-- These events happened in the run that was loaded last, one after the other, whatever else happened between.
function Test:order(...)
	local events, at = this_run(self, "t:order").seen, 0
	for i = 1, select("#", ...) do
		local name = select(i, ...)
		if type(name) ~= "string" then
			misuse.expected("t:order", 'names of events such as "web pre_stop"', name)
		end
		local next_at = happened(events, name, at + 1)
		if not next_at then
			local before = happened(events, name, 1)
			if before then
				return fail(self, nil, '"%s" happened at %.9gs, not after "%s" at %.9gs', name, events[before].at,
					select(i - 1, ...), events[at].at)
			end
			return fail(self, nil, '"%s" never happened%s', name, near(events, name))
		end
		at = next_at
	end
	return true
end

-- This event did not happen in the run that was loaded last.
function Test:never(name)
	local events = this_run(self, "t:never").seen
	local at = happened(events, name, 1)
	return not at or fail(self, nil, '"%s" happened at %.9gs', name, events[at].at)
end

-- A policy for this test, loaded but not begun: its path from the test's folder, or from the working directory.
function Test:load(path, opts)
	self.current = run.open(path, opts, function(text)
		self.failures[#self.failures + 1] = text
	end)
	self.runs[#self.runs + 1] = self.current
	return self.current
end

-- ---- running one

local function trace(message)
	if type(message) ~= "string" then
		message = "error object is " .. misuse.show(message)
	end
	return message
end

local function describe(self)
	local lines = {}
	for _, text in ipairs(self.failures) do
		lines[#lines + 1] = text
	end
	for i, one in ipairs(self.runs) do
		lines[#lines + 1] = #self.runs > 1 and ("run %d: %s"):format(i, one.path) or "run: " .. one.path
		lines[#lines + 1] = one:describe()
	end
	return table.concat(lines, "\n")
end

-- true; or false and what there is to say about it.
function Test.run(one)
	local self = setmetatable({ failures = {}, runs = {}, where = one.where }, Test)
	local task = c.spawn(function()
		local ok, message = xpcall(one.f, trace, self)
		return { ok = ok, message = message }
	end)
	local result, message = task:await()
	if not result then -- cut off: it went on and on
		self.failures[#self.failures + 1] = message
	elseif not result.ok then
		self.failures[#self.failures + 1] = result.message
	end
	local text = #self.failures > 0 and describe(self) or nil
	for _, r in ipairs(self.runs) do
		r:close()
	end
	return text == nil, text
end

return { run = Test.run }
