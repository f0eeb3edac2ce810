-- require.lua: require in Lua itself: a module's main chunk may wait then, which no function written in C lets it.
local function search(name)
	local tried = {}
	for _, searcher in ipairs(package.searchers) do
		local loader, extra = searcher(name)
		if type(loader) == "function" then
			return loader, extra
		elseif type(loader) == "string" then
			tried[#tried + 1] = loader
		end
	end
	error(("module '%s' not found:%s"):format(name, table.concat(tried)), 3)
end

return function(name)
	if type(name) == "number" then
		name = tostring(name)
	elseif type(name) ~= "string" then
		error(("bad argument #1 to 'require' (string expected, got %s)"):format(type(name)), 2)
	end
	local loaded = package.loaded
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
