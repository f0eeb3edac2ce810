-- misuse.lua: raise a script's mistake at the script's own line: "policy.lua:12: curfew.http: …".
local c = require "curfew.core"

local SHOWN = 60

-- A value as a message shows it: strings quoted, escaped and cut, tables and functions by their type.
local function show(v)
	local kind = type(v)
	if kind == "string" then
		local s = #v > SHOWN and string.sub(v, 1, SHOWN) or v
		s = string.gsub(s, '[%c"\\]', function(ch)
			return (ch == '"' or ch == "\\") and "\\" .. ch or string.format("\\x%02x", string.byte(ch))
		end)
		return '"' .. s .. '"' .. (#v > SHOWN and "…" or "")
	elseif kind == "nil" or kind == "boolean" or kind == "number" then
		return v ~= v and "nan" or tostring(v) -- whose sign means nothing
	end
	return "a " .. kind
end

-- `, did you mean "listen"?`, or nothing where no name is near.
local function suggest(word, names)
	local name = require "curfew.nearest"(word, names)
	return name and string.format(', did you mean "%s"?', name) or ""
end

-- what: the function as the script wrote it, "curfew.http".
local function raise(what, fmt, ...)
	local where = c.where(1)
	error((where and where .. ": " or "") .. what .. ": " .. string.format(fmt, ...), 0)
end

-- An argument that is not what it has to be.
local function expected(what, text, got)
	return raise(what, "expected %s, got %s", text, show(got))
end

local function callback(what, f)
	if f ~= nil and type(f) ~= "function" then
		expected(what, "a callback function as the last argument", f)
	end
	return f
end

-- What the core refused because the script asked for something that cannot be; and memory that is gone, as Lua itself has it: a
-- script without a server or a hook of its own would be taken for whole (S7.1). Anything else is a failed operation.
local RAISED = { ENOMEM = true, EINVAL = true, ENOENT = true, EEXIST = true, ECYCLE = true, ELOOP = true }

-- result of a core function, as it is; raised where nobody is to run on.
local function result(what, value, message, code)
	if not value and RAISED[code] then
		raise(what, "%s", message)
	end
	return value, message, code
end

return {
	raise = raise,
	expected = expected,
	callback = callback,
	result = result,
	show = show,
	suggest = suggest,
}
