-- headers.lua: header fields that a script passes; no name or value can end its line early.
local misuse = require "curfew.misuse"

local function value(v, name, what, path)
	local context = path and what .. ": " .. path or what
	if type(v) == "number" then
		v = tostring(v)
	elseif type(v) ~= "string" then
		misuse.expected(context .. ": " .. name, "a string", v)
	end
	if string.find(v, "[\r\n\0]") then
		misuse.raise(context .. ": " .. name, "a header's value has no line breaks, got %s", misuse.show(v))
	end
	return v
end

local function check_name(name, what, path)
	if type(name) ~= "string" or not string.find(name, "^[%w!#$%%&'*+.^_`|~-]+$") then
		misuse.expected(path and what .. ": " .. path or what, 'the name of a header such as "Content-Type"', name)
	end
end

-- Strings, numbers, or lists of them where a field comes several times.
local function check(v, what, path)
	if type(v) ~= "table" then
		misuse.expected(path and what .. ": " .. path or what, 'a table of headers such as { ["Content-Type"] = "text/plain" }', v)
	end
	local out = {}
	for name, x in pairs(v) do
		check_name(name, what, path)
		if type(x) == "table" then
			local list = {}
			for i = 1, #x do
				list[i] = value(x[i], name, what, path)
			end
			out[name] = list
		else
			out[name] = value(x, name, what, path)
		end
	end
	return out
end

-- The key under which a table of headers has name, whatever its case; nil when it has not.
local function find(table_of_headers, name)
	local low = string.lower(name)
	for key in pairs(table_of_headers) do
		if string.lower(key) == low then
			return key
		end
	end
	return nil
end

return { type = check, name = check_name, value = value, find = find }
