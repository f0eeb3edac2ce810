-- async.lua: the two styles of everything that waits: it yields, or it returns at once and calls back.
local c = require "curfew.core"
local misuse = require "curfew.misuse"

local async = {}

-- A timer calls back: an error there is one of a callback (S2.5), not of a task that somebody might have awaited (S2.6).
local function deliver(callback, f, ...)
	local results = table.pack(f(...))
	c.timer(0, function()
		callback(table.unpack(results, 1, results.n))
	end)
end

-- f(...) here and now; or, with a callback, in a task of its own that hands f's results to it.
function async.call(callback, f, ...)
	if not callback then
		return f(...)
	end
	c.spawn(deliver, callback, f, ...)
	return true
end

-- An operation of the host.
function async.service(what, name, args, callback)
	return c.service(name, args, misuse.callback(what, callback))
end

-- Something asked of the core: start, stop, reload.
function async.request(what, name, id, flag, callback)
	return async.call(misuse.callback(what, callback), c.request, name, id, flag)
end

return async
