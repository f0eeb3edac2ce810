-- log.lua: curfew.log.info("web is gone after", seconds): the values joined by spaces.
local c = require "curfew.core"

-- A __tostring that fails must not fail the hook that only wanted to log.
local function text(v)
	local ok, s = pcall(tostring, v)
	return ok and s or "(" .. type(v) .. " without a text)"
end

local function logger(level)
	return function(...)
		local words = table.pack(...)
		for i = 1, words.n do
			words[i] = text(words[i])
		end
		c.log(level, table.concat(words, " ", 1, words.n))
	end
end

local log = {}
for _, level in ipairs { "debug", "info", "warn", "error" } do
	log[level] = logger(level)
end

return {
	log = setmetatable(log, {
		__index = function(_, key)
			local misuse = require "curfew.misuse"
			local near = misuse.suggest(key, { "debug", "info", "warn", "error" })
			misuse.raise("curfew.log", "unknown level %s%s", misuse.show(key), near)
		end,
	}),
}
