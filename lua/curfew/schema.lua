-- schema.lua: what a script may pass, declared once.
--
-- A type is a function (value, what, path) that returns the value as curfew.core takes it, or raises at the script's line.
-- what: the function called, "curfew.http"; path: where in its table, "ready.tcp", nil at the top. Tables are copied, never
-- changed.
local misuse = require "curfew.misuse"
local units = require "curfew.units"

local schema = {}

local function bad(what, path, expected, got)
	return misuse.expected(path and what .. ": " .. path or what, expected, got)
end
schema.bad = bad

local function below(path, key)
	return path and path .. "." .. key or key
end

-- A type from a test that returns the value to pass on, or nil where v is not what is expected.
local function simple(expected, convert)
	return function(v, what, path)
		local r = convert(v)
		if r == nil then
			bad(what, path, expected, v)
		end
		return r
	end
end
schema.simple = simple

local function of_type(name)
	return function(v)
		return type(v) == name and v or nil
	end
end

schema.duration = simple(units.DURATION, units.duration)
function schema.period(v, what, path)
	local ns = schema.duration(v, what, path)
	if ns == 0 then
		bad(what, path, "a duration longer than 0", v)
	end
	return ns
end
schema.size = simple(units.SIZE, units.size)
schema.func = simple("a function", of_type "function")
schema.bytes = simple("a string", of_type "string")
schema.boolean = simple("true or false", function(v)
	if type(v) == "boolean" then
		return v
	end
	return nil
end)
schema.text = simple("a string that is not empty", function(v)
	return type(v) == "string" and v ~= "" and not string.find(v, "\0", 1, true) and v or nil
end)
schema.name = simple("a name: a string without control characters, not empty", function(v)
	return type(v) == "string" and v ~= "" and not string.find(v, "%c") and v or nil
end)
-- A word of a command line or an environment: integers are as good as their digits.
schema.word = simple("a string", function(v)
	if math.type(v) == "integer" then
		return tostring(v)
	end
	return type(v) == "string" and not string.find(v, "\0", 1, true) and v or nil
end)

function schema.integer(low, high)
	return simple(string.format("a whole number from %d to %d", low, high), function(v)
		local n = type(v) == "number" and math.tointeger(v)
		return n and n >= low and n <= high and n or nil
	end)
end

-- `"text", "logfmt" or "json"`
local function quoted(names)
	local q = {}
	for i, name in ipairs(names) do
		q[i] = '"' .. name .. '"'
	end
	local last = table.remove(q)
	return #q > 0 and table.concat(q, ", ") .. " or " .. last or last
end
schema.quoted = quoted

function schema.one_of(names)
	local valid = {}
	for _, name in ipairs(names) do
		valid[name] = true
	end
	local expected = "one of " .. quoted(names)
	return function(v, what, path)
		if not valid[v] then
			bad(what, path, expected, v)
		end
		return v
	end
end

-- expected: how a message calls such a list, with an example.
function schema.list(item, expected, least)
	return function(v, what, path)
		if type(v) ~= "table" then
			bad(what, path, expected, v)
		end
		local n, out = 0, {}
		for key in pairs(v) do
			if math.type(key) ~= "integer" or key < 1 then
				misuse.raise(path and what .. ": " .. path or what, "expected %s, it has the key %s", expected, misuse.show(key))
			end
			n = math.max(n, key)
		end
		for i = 1, n do -- item refuses nil, so a hole is an error
			out[i] = item(v[i], what, (path or "") .. "[" .. i .. "]")
		end
		if n < (least or 0) then
			misuse.raise(path and what .. ": " .. path or what, "expected %s, got an empty list", expected)
		end
		return out
	end
end

-- A single one stands for a list of one. alone(v) tells it from a list; by default: it is no table.
function schema.one_or_more(item, expected, alone)
	local list = schema.list(item, expected, 1)
	alone = alone or function(v)
		return type(v) ~= "table"
	end
	return function(v, what, path)
		if alone(v) then
			return { item(v, what, path) }
		end
		return list(v, what, path)
	end
end

function schema.map(key, item, expected)
	return function(v, what, path)
		if type(v) ~= "table" then
			bad(what, path, expected, v)
		end
		local out = {}
		for k, x in pairs(v) do
			key(k, what, path)
			out[k] = item(x, what, below(path, k))
		end
		return out
	end
end

-- Marks a field of a record that has to be there.
function schema.required(field)
	return { field }
end

local function sorted_keys(t)
	local keys = {}
	for key in pairs(t) do
		keys[#keys + 1] = key
	end
	table.sort(keys, function(a, b)
		return tostring(a) < tostring(b)
	end)
	return keys
end

local function unknown_key(v, what, path, fields, hints)
	for _, key in ipairs(sorted_keys(v)) do
		if fields[key] == nil then
			local context = path and what .. ": " .. path or what
			if hints and hints[key] then
				misuse.raise(context, "unknown key %s: %s", misuse.show(key), hints[key])
			end
			misuse.raise(context, "unknown key %s%s", misuse.show(key), misuse.suggest(key, sorted_keys(fields)))
		end
	end
end

-- fields: key -> type. spec.hints: what to say of a key that people expect; spec.expected: how a message calls such a table;
-- spec.check(out, what, path): what no single key can tell.
function schema.record(fields, spec)
	spec = spec or {}
	local expected = spec.expected or "a table"
	local order = sorted_keys(fields)
	return function(v, what, path)
		if type(v) ~= "table" then
			bad(what, path, expected, v)
		end
		for key in pairs(v) do
			if fields[key] == nil then
				unknown_key(v, what, path, fields, spec.hints)
			end
		end
		local out = {}
		for i = 1, #order do
			local key = order[i]
			local field, x = fields[key], v[key]
			if type(field) == "table" then
				out[key] = field[1](x, what, below(path, key))
			elseif x ~= nil then
				out[key] = field(x, what, below(path, key))
			end
		end
		if spec.check then
			spec.check(out, what, path)
		end
		return out
	end
end

-- All of the tables' pairs in a new one.
function schema.merge(...)
	local out = {}
	for _, t in ipairs { ... } do
		for k, x in pairs(t) do
			out[k] = x
		end
	end
	return out
end

return schema
