-- steer.lua: a stop that runs is hurried, prolonged, eased of what it waits for, or taken back. Each is a trigger that a rule
-- may refuse. They answer true when it is done, or nil, message, code; a cancel in a hook when it is accepted, for it waits for
-- hooks.
local c = require "curfew.core"
local async = require "curfew.async"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"

local steer = {}

local function ask(what, callback, ...)
	return async.call(misuse.callback(what, callback), c.steer, ...)
end

function steer.hurry(callback)
	return ask("curfew.hurry", callback, "hurry")
end

function steer.extend(t, callback)
	return ask("curfew.extend", callback, "extend", nil, schema.duration(t, "curfew.extend"))
end

-- server: its handle or name; nil: the global hooks.
function steer.skip(server, callback)
	local servers = require "curfew.servers"
	local id
	if server ~= nil then
		local name = servers.name_of(server) or misuse.expected("curfew.skip", "a server or its name", server)
		id = c.server_find(name)
		if not id then
			return nil, string.format("there is no server %s", misuse.show(name)), "ENOENT"
		end
	end
	return ask("curfew.skip", callback, "skip", id)
end

function steer.cancel(callback)
	return ask("curfew.cancel", callback, "cancel")
end

return steer
