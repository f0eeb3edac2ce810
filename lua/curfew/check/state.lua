-- state.lua: what the variables hold at one point of the program: layers over layers, one a branch, each with what it changed.
-- Keys are cells (variables and fields; each holds a value), maybes (true: known not to be nil), and clocks (numbers).
local value = require "curfew.check.value"

local State = {}
State.__index = State

local LONGEST = 24 -- entries of a log
local stamp = 0 -- of assignments, in the order in which they were seen

function State.new(mark)
	return setmetatable({ vals = {}, seen = {}, mark = mark }, State)
end

function State.cell(name)
	return { kind = "cell", name = name, log = {}, writes = 0 }
end

function State:fork()
	return setmetatable({ vals = {}, seen = {}, parent = self }, State)
end

-- The value of a key, and the layer that has it, or the lowest. What lies deep is remembered further up: a layer does not
-- change while others are above it.
local function find(self, key)
	local s, depth = self, 0
	while true do
		local v = s.vals[key]
		if v == nil then
			v = s.seen[key]
		end
		if v ~= nil or not s.parent then
			if depth > 3 and v ~= nil and s.parent then
				self.seen[key] = v
			end
			return v, s
		end
		s, depth = s.parent, depth + 1
	end
end

function State:raw(key)
	return (find(self, key))
end

-- Code that runs later also sees what was assigned after it was registered.
function State:get(cell)
	local v, layer = find(self, cell)
	if layer.mark then
		for i = #cell.log, 1, -1 do
			local entry = cell.log[i]
			if entry.stamp <= layer.mark then
				break
			end
			v = value.union(v or value.none, entry.value)
		end
	end
	v = v or value.null
	if layer ~= self then
		self.seen[cell] = v
	end
	return v
end

function State:set(cell, v)
	self.vals[cell] = v
	stamp = stamp + 1
	local log = cell.log
	cell.writes = cell.writes + 1
	if #log < LONGEST then
		log[#log + 1] = { stamp = stamp, value = v }
	else -- the newest ones become one
		local last = log[LONGEST]
		log[LONGEST] = { stamp = stamp, value = value.union(last.value, v) }
	end
end

-- Something was learnt about a key, nothing assigned.
function State:learn(key, v)
	self.vals[key] = v
end

-- What self changed since base (nil: since ever), as one layer over base.
function State:diff(base)
	local out, chain, s = setmetatable({ vals = {}, seen = {}, parent = base }, State), {}, self
	while s and s ~= base do
		chain[#chain + 1] = s
		s = s.parent
	end
	for i = #chain, 1, -1 do
		for key, v in pairs(chain[i].vals) do
			out.vals[key] = v
		end
	end
	return out
end

-- self as of now, for code that runs later.
function State:snapshot()
	local out, s = self:diff(), self
	while s.parent do
		s = s.parent
	end
	out.parent, out.mark = nil, stamp
	if s.mark then -- it is itself of code that runs later: keep what it saw
		for key, v in pairs(out.vals) do
			if key.kind == "cell" and s.vals[key] == v then
				out.vals[key] = self:get(key)
			end
		end
	end
	return out
end

local function join_key(self, key, states)
	local first = states[1]:raw(key)
	if key.kind == "maybe" then
		for i = 2, #states do
			first = first and states[i]:raw(key)
		end
		return first or false
	elseif key.kind == "clock" then
		for i = 2, #states do
			first = math.max(first or 0, states[i]:raw(key) or 0)
		end
		return first
	end
	local v = states[1]:get(key)
	for i = 2, #states do
		v = value.union(v, states[i]:get(key))
	end
	return v
end

-- Several ways led here: layers right over self. Dead when none of them did.
function State:join(states)
	local live = {}
	for _, s in ipairs(states) do
		if not s.dead then
			live[#live + 1] = s
		end
	end
	if #live == 0 then
		self.dead = true
		return
	end
	local joined = {}
	for _, s in ipairs(live) do
		for key in pairs(s.vals) do
			if joined[key] == nil then
				joined[key] = join_key(self, key, live)
			end
		end
	end
	for key, v in pairs(joined) do
		self.vals[key] = v
	end
end

return State
