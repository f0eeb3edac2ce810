-- sandbox.lua: require for a script that is not trusted: curfew, its own modules, and the libraries by the names of its
-- globals. It keeps a table of its own: package.loaded leads to ours.
local c = require "curfew.core"
local curfew -- when it is asked for, it is there: it is what made this the script's require
local loaded = {}
local globals = _G

local libraries = {}
for name in string.gmatch("coroutine io math os string table utf8", "%a+") do
	libraries[name] = globals[name]
end

return function(name)
	if type(name) ~= "string" then
		error(string.format("bad argument #1 to 'require' (string expected, got %s)", type(name)), 2)
	end
	if name == "curfew" then
		curfew = curfew or require "curfew"
		return curfew
	end
	local value = libraries[name] or loaded[name]
	if value ~= nil then
		return value
	end
	local chunk, file = c.sandbox_module(name)
	if not chunk then
		error(string.format("module '%s' not found in the sandbox:%s", name, file), 2)
	end
	value = chunk(name, file)
	if value ~= nil then
		loaded[name] = value
	elseif loaded[name] == nil then
		loaded[name] = true
	end
	return loaded[name], file
end
