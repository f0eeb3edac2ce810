-- tasks.lua: time, tasks, and what combines them.
local c = require "curfew.core"
local async = require "curfew.async"
local misuse = require "curfew.misuse"
local schema = require "curfew.schema"
local metatable_of = debug.getmetatable -- beneath __metatable, which keeps a script away from it

local tasks = {}

local function check_function(what, f)
	if type(f) ~= "function" then
		misuse.expected(what, "a function", f)
	end
end

-- ---- time

function tasks.sleep(t, callback)
	local ns = schema.duration(t, "curfew.sleep")
	return async.call(misuse.callback("curfew.sleep", callback), c.sleep, ns)
end

-- Call f once, t from now. Returns a handle with :cancel().
function tasks.after(t, f)
	local ns = schema.duration(t, "curfew.after")
	check_function("curfew.after", f)
	return c.timer(ns, f)
end

-- Call f each t, the first time t from now. Returns a handle with :cancel().
function tasks.every(t, f)
	local ns = schema.period(t, "curfew.every")
	check_function("curfew.every", f)
	return c.timer(ns, f, ns)
end

-- ---- tasks

local Task = { __name = "curfew.task", __metatable = "curfew.task" }
Task.__index = Task

local function self_task(self, method)
	if metatable_of(self) ~= Task then
		misuse.raise("task:" .. method, "call it with a colon, task:%s(…), not with a dot", method)
	end
	return self.task
end

-- Run f(...) beside the caller. It belongs to the request or hook that it was spawned in.
function tasks.spawn(f, ...)
	check_function("curfew.spawn", f)
	return setmetatable({ task = c.spawn(f, ...) }, Task)
end

-- What f returned; nil, message, code when it failed, was cancelled, or has not ended in time.
function Task:await(timeout, callback)
	local task = self_task(self, "await")
	if type(timeout) == "function" then
		timeout, callback = nil, timeout
	end
	local ns = timeout ~= nil and schema.duration(timeout, "task:await") or nil
	return async.call(misuse.callback("task:await", callback), task.await, task, ns)
end

-- False when it had ended before.
function Task:cancel()
	return self_task(self, "cancel"):cancel()
end

function Task:done()
	return self_task(self, "done"):done()
end

-- ---- combinators

-- Functions become tasks; those are ours to cancel when the combinator is over, however it ends.
local function begin(what, list)
	if type(list) ~= "table" or metatable_of(list) == Task then
		misuse.expected(what, "a list of functions or tasks", list)
	end
	for key, item in pairs(list) do
		if type(item) ~= "function" and metatable_of(item) ~= Task then
			misuse.expected(string.format("%s: [%s]", what, misuse.show(key)), "a function or a task", item)
		end
	end
	local running, keys, own = {}, {}, {}
	local function add(key, item)
		local i = #running + 1
		running[i], keys[i] = item.task, key
	end
	local function own_task(f)
		local task = c.spawn(f)
		own[#own + 1] = task
		return { task = task }
	end
	for i = 1, #list do
		add(i, type(list[i]) == "function" and own_task(list[i]) or list[i])
	end
	for key, item in pairs(list) do
		if math.type(key) ~= "integer" or key < 1 or key > #list then
			add(key, type(item) == "function" and own_task(item) or item)
		end
	end
	return running, keys, own
end

-- Closed at the end of a scope: what still runs is cancelled, what failed beside has been seen.
local cancelling = {
	__close = function(own)
		for _, task in ipairs(own) do
			if task:done() then
				task:await()
			else
				task:cancel()
			end
		end
	end,
}

local function failed(first, message)
	return first == nil and message ~= nil
end

local function wait_all(list)
	local running, keys, own = begin("curfew.all", list)
	local _ <close> = setmetatable(own, cancelling)
	local results = {}
	while #running > 0 do
		local i, why, name = c.any(running)
		if not i then
			return nil, why, name
		end
		local value, message, code = running[i]:await()
		if failed(value, message) then
			return nil, message, code
		end
		results[keys[i]] = value
		local last = #running
		running[i], keys[i] = running[last], keys[last]
		running[last], keys[last] = nil, nil
	end
	return results
end

local function wait_race(list)
	local running, _, own = begin("curfew.race", list)
	if #running == 0 then
		misuse.raise("curfew.race", "expected at least one function or task")
	end
	local _ <close> = setmetatable(own, cancelling)
	local i, why, name = c.any(running)
	if not i then
		return nil, why, name
	end
	return running[i]:await()
end

local function wait_timeout(ns, f)
	local task = c.spawn(f)
	local _ <close> = setmetatable({ task }, cancelling)
	return task:await(ns)
end

-- Run them side by side; a table with the first result of each under its key, or the first failure as nil, message, code: the
-- rest is cancelled then.
function tasks.all(list, callback)
	return async.call(misuse.callback("curfew.all", callback), wait_all, list)
end

-- Run them side by side; what the first to end returns. The rest is cancelled.
function tasks.race(list, callback)
	return async.call(misuse.callback("curfew.race", callback), wait_race, list)
end

-- What f returns, or nil, "timed out", "ETIMEDOUT": f is cancelled then.
function tasks.timeout(t, f, callback)
	local ns = schema.duration(t, "curfew.timeout")
	check_function("curfew.timeout", f)
	return async.call(misuse.callback("curfew.timeout", callback), wait_timeout, ns, f)
end

-- ---- events

local function check_event(what, name)
	if type(name) ~= "string" or name == "" then
		misuse.expected(what, "the name of an event", name)
	end
end

local function wait_event(name, ns)
	if not ns then
		return c.wait_event(name)
	end
	return wait_timeout(ns, function()
		return c.wait_event(name)
	end)
end

-- curfew.wait(event [, timeout]): the value the event comes with.
function tasks.wait(name, timeout, callback)
	check_event("curfew.wait", name)
	if type(timeout) == "function" then
		timeout, callback = nil, timeout
	end
	local ns = timeout ~= nil and schema.duration(timeout, "curfew.wait") or nil
	return async.call(misuse.callback("curfew.wait", callback), wait_event, name, ns)
end

-- Call f with the value of each such event. Returns a handle with :cancel().
function tasks.subscribe(name, f)
	check_event("curfew.subscribe", name)
	check_function("curfew.subscribe", f)
	return c.subscribe(name, f)
end

return tasks
