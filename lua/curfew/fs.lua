-- fs.lua: curfew.fs, file operations that do not block the loop.
local async = require "curfew.async"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"

local fs = {}

local function check_path(what, path)
	return schema.text(path, what)
end

local function operation(name)
	return function(path, callback)
		local what = "curfew.fs." .. name
		return async.service(what, "fs." .. name, { path = check_path(what, path) }, callback)
	end
end

fs.exists = operation "exists" -- -> true or false
fs.stat = operation "stat" -- -> { type, size, mtime, mode }
fs.remove = operation "remove"

local read_options = schema.record({ max = schema.size }, { expected = 'a table such as { max = "1MB" }' })

-- The whole file as a string.
function fs.read(path, opts, callback)
	local what = "curfew.fs.read"
	if type(opts) == "function" then
		opts, callback = nil, opts
	end
	check_path(what, path)
	local args = opts ~= nil and read_options(opts, what) or {}
	args.path = path
	return async.service(what, "fs.read", args, callback)
end

local file_mode = schema.simple('a mode such as "0640"', function(v)
	local n = type(v) == "string" and string.find(v, "^[0-7]+$") and tonumber(v, 8) or math.type(v) == "integer" and v
	return n and n >= 0 and n <= 4095 and n or nil
end)

local write_options = schema.record({
	mode = file_mode,
	append = schema.boolean,
	sync = schema.boolean,
}, { expected = 'a table such as { mode = "0640", append = true, sync = true }' })

function fs.write(path, data, opts, callback)
	local what = "curfew.fs.write"
	if type(opts) == "function" then
		opts, callback = nil, opts
	end
	check_path(what, path)
	if type(data) ~= "string" then
		misuse.expected(what, "the data as a string", data)
	end
	local args = opts ~= nil and write_options(opts, what) or {}
	args.path, args.data = path, data
	return async.service(what, "fs.write", args, callback)
end

function fs.rename(from, to, callback)
	local what = "curfew.fs.rename"
	local args = { from = check_path(what, from), to = check_path(what, to) }
	return async.service(what, "fs.rename", args, callback)
end

local names = { "exists", "stat", "read", "write", "rename", "remove" }

return {
	fs = setmetatable(fs, {
		__index = function(_, key)
			misuse.raise("curfew.fs", "unknown name %s%s", misuse.show(key), misuse.suggest(key, names))
		end,
	}),
}
