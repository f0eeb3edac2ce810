-- module.lua: the metatable of what `require "curfew"` returns.
local c = require "curfew.core"

-- module_of: name -> the module that has it.
return function(module_of)
	local meta = { __name = "curfew", __metatable = "curfew" }

	function meta.__index(self, key)
		local module = module_of[key]
		if module then
			local value = require(module)[key]
			rawset(self, key, value)
			return value
		elseif key == "state" then
			return c.life()
		elseif key == "version" or type(key) ~= "string" or string.find(key, "^__") then
			return nil
		end
		local names = { "state" }
		for name in pairs(module_of) do
			names[#names + 1] = name
		end
		table.sort(names)
		local misuse = require "curfew.misuse"
		return misuse.raise("curfew", "unknown name %s%s", misuse.show(key), misuse.suggest(key, names))
	end

	function meta.__newindex(_, key)
		local misuse = require "curfew.misuse"
		misuse.raise("curfew", "%s cannot be set; settings go into curfew.configure { … }", misuse.show(key))
	end

	return meta
end
