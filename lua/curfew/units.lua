-- units.lua: durations to integer nanoseconds, sizes to bytes.
local units = {}

units.DURATION = 'a duration such as 0.25, "250ms", "5s" or "1m30s"'
units.SIZE = 'a size such as 65536, "64KB", "1MB" or "1GB"'

local SECOND = 1000000000
local LONGEST = 1000000000 * SECOND -- over thirty years: more is a slip
-- In the order in which a string may have them.
local UNITS = {
	{ "d", 86400 * SECOND },
	{ "h", 3600 * SECOND },
	{ "m", 60 * SECOND },
	{ "s", SECOND },
	{ "ms", 1000000 },
	{ "us", 1000 },
	{ "ns", 1 },
}
local RANK = {}
for rank, unit in ipairs(UNITS) do
	RANK[unit[1]] = rank
end

-- nil unless 0 <= ns <= LONGEST; NaN is not.
local function bounded(ns)
	if not (ns >= 0 and ns <= LONGEST) then
		return nil
	end
	return math.type(ns) == "integer" and ns or math.floor(ns + 0.5)
end

local function parse(s)
	local seconds = string.match(s, "^%d+%.?%d*$")
	if seconds then
		return bounded(tonumber(seconds) * SECOND)
	end
	local sum, at, last = 0, 1, 0
	repeat
		local number, unit, next_at = string.match(s, "^(%d+%.?%d*)(%a+)()", at)
		local rank = RANK[unit]
		if not rank or rank <= last then
			return nil
		end
		local part = bounded(tonumber(number) * UNITS[rank][2])
		sum = part and bounded(sum + part)
		at, last = next_at, rank
	until not sum or at > #s
	return sum
end

-- Texts that were parsed, so that one which many hooks or a loop wait for costs little; at most so many.
local KEPT, LONG = 64, 32
local known, known_n = {}, 0

local function parse_once(s)
	local ns = known[s]
	if not ns then
		ns = parse(s)
		if ns and #s <= LONG then
			if known_n == KEPT then
				known, known_n = {}, 0
			end
			known[s], known_n = ns, known_n + 1
		end
	end
	return ns
end

-- A number of seconds or a string with units; nil when it is neither, negative, or past thirty years.
function units.duration(v)
	if type(v) == "number" then
		return bounded((math.tointeger(v) and v >= 0 and v <= LONGEST // SECOND and math.tointeger(v) or v + 0.0) * SECOND)
	elseif type(v) == "string" then
		return parse_once(v)
	end
	return nil
end

local POWER = { b = 0, k = 1, m = 2, g = 3, t = 4 }

-- A number of bytes, or a string with a unit; powers of 1024 throughout ("64MB", "64MiB" and "64M" are the same). nil when it
-- is neither.
function units.size(v)
	if type(v) == "number" then
		local n = math.tointeger(v)
		return n and n >= 0 and n or nil
	elseif type(v) ~= "string" then
		return nil
	end
	local number, unit = string.match(v, "^(%d+%.?%d*)(%a*)$")
	if not number then
		return nil
	end
	local low = string.lower(unit)
	local power = low == "" and 0 or POWER[string.sub(low, 1, 1)]
	local rest = string.sub(low, 2)
	if not power or (rest ~= "" and (string.sub(low, 1, 1) == "b" or (rest ~= "b" and rest ~= "ib"))) then
		return nil
	end
	local bytes = tonumber(number) * 1024.0 ^ power
	return bytes < 2.0 ^ 53 and math.floor(bytes + 0.5) or nil
end

return units
