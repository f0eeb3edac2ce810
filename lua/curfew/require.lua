-- require.lua: require in Lua itself: a module's main chunk may wait then, which no function written in C lets it.
local package = _G.package -- the script's
local loaded = package.loaded

local function search(name)
	local tried = {}
	if type(package.searchers) ~= "table" then
		error("'package.searchers' must be a table", 3)
	end
	for _, searcher in ipairs(package.searchers) do
		local loader, extra = searcher(name)
		if type(loader) == "function" then
			return loader, extra
		elseif type(loader) == "string" then
			tried[#tried + 1] = loader
		end
	end
	error(string.format("module '%s' not found:%s", name, table.concat(tried)), 3)
end

return function(name)
	if type(name) == "number" then
		name = tostring(name)
	elseif type(name) ~= "string" then
		error(string.format("bad argument #1 to 'require' (string expected, got %s)", type(name)), 2)
	end
	if loaded[name] then
		return loaded[name]
	end
	local loader, extra = search(name)
	local value = loader(name, extra)
	if value ~= nil then
		loaded[name] = value
	elseif loaded[name] == nil then
		loaded[name] = true
	end
	return loaded[name], extra
end
