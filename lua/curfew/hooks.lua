-- hooks.lua: registering hooks, and the ctx that they and the functions of curfew.server are called with.
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"
local units = require "curfew.units"

local hooks = {}

local options = schema.record({
	name = schema.name,
	timeout = schema.period,
}, { expected = 'a table such as { name = "drain", timeout = "2s" }' })

-- server: an id, nil for the global hooks.
function hooks.add(what, server, phase, f, opts)
	if type(f) ~= "function" then
		misuse.expected(what, "a function", f)
	end
	local o = opts == nil and {} or options(opts, what)
	return misuse.result(what, c.hook_new {
		server = server,
		phase = phase,
		name = o.name,
		where = c.where(1),
		timeout_ns = o.timeout,
		fn = f,
	})
end

-- Once, before all servers and after all of them.
function hooks.pre_stop(f, opts)
	return hooks.add("curfew.pre_stop", nil, "pre_stop", f, opts)
end

function hooks.post_stop(f, opts)
	return hooks.add("curfew.post_stop", nil, "post_stop", f, opts)
end

local methods = {}

-- Seconds until it is cut, never less than 0; without a deadline math.huge.
function methods:remaining()
	return self.deadline and math.max(0, self.deadline - c.now()) or math.huge
end

-- S4.6: true, or nil, message, code when it is refused.
function methods:extend(t)
	local ns = units.duration(t)
	if not ns then
		misuse.expected("ctx:extend", units.DURATION, t)
	elseif not self.run then
		return nil, "only a hook can extend the exit timeout", "EINVAL"
	end
	return c.extend(self.run, ns)
end

local meta = { __name = "curfew.ctx", __metatable = "curfew.ctx" }

function meta.__index(self, key)
	if key == "elapsed" then
		return c.now() - rawget(self, "began")
	elseif key == "hurried" or key == "cancelled" then
		local hurried, cancelled = c.told()
		if key == "hurried" then
			return hurried
		end
		return cancelled
	elseif key == "leader" then -- asked for each time: it may have died
		return c.leader()
	elseif key == "deadline" then -- as things stand: this hook or another may have moved it
		local run = rawget(self, "run")
		return run and c.deadline(run) or rawget(self, "given")
	end
	return methods[key]
end

local function prepare(ctx)
	if math.type(ctx.server) == "integer" then
		ctx.server = require "curfew.servers".handle(ctx.server)
	end
	if ctx.trigger then
		ctx.trigger = hooks.trigger(ctx.trigger)
	end
	ctx.began = ctx.began or c.now()
	ctx.given, ctx.deadline = ctx.deadline, nil
	return setmetatable(ctx, meta)
end

-- The core's trigger as rules and hooks see it: the server is its handle.
function hooks.trigger(t)
	if math.type(t.server) == "integer" then
		t.server = require "curfew.servers".handle(t.server)
	end
	return t
end

-- Run a hook, or a function of the kind "server".
function hooks.call(f, ctx)
	return f(prepare(ctx))
end

return hooks
