-- exchange.lua: what a reply and a connection share: both are a userdata "curfew.exchange" behind the script's object, as x.
local misuse = require "curfew.misuse"
local metatable_of = debug.getmetatable -- beneath __metatable, which keeps a script away from it

local QUEUE = 65536 -- bytes written before the writer waits for the peer

-- A function that raises unless self is of class; name: "conn", as scripts call it.
local function checker(class, name)
	return function(self, method)
		if metatable_of(self) ~= class then
			misuse.raise(name .. ":" .. method, "call it with a colon, %s:%s(…), not with a dot", name, method)
		end
	end
end

-- All of it, then waits when much is queued, so that a slow peer slows its writer.
local function write(self, ...)
	for i = 1, select("#", ...) do
		local data = tostring((select(i, ...)))
		local ok, message, code = self.x:write(data)
		if not ok then
			return nil, message, code
		end
		self.queued = self.queued + #data
	end
	if self.queued < QUEUE then
		return true
	end
	self.queued = 0
	return self.x:flush()
end

-- class:hold() and class:alive().
local function complete(class, check_self)
	-- It outlives its handler: a connection until it is closed, a request until it is answered (S6.3).
	function class:hold()
		check_self(self, "hold")
		self.held = true
		self.x:hold()
		return self
	end

	-- False once the peer is gone.
	function class:alive()
		check_self(self, "alive")
		return self.x:alive()
	end
end

return { checker = checker, write = write, complete = complete }
