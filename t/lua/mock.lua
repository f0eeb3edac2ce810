-- mock.lua: curfew.core in plain Lua, with a virtual clock: tasks, timers, a registry, services and exchanges that a test fills
-- in. What the modules of lua/curfew ask of the core is recorded.
--
--   local m = mock.new()
--   m:run [[ local curfew = require "curfew"; … ]]     -- as policy.lua, until nothing is left to happen
local mock = {}

local root = debug.getinfo(1, "S").source:match "^@(.*)t/lua/mock%.lua$" or "./"
package.path = root .. "lua/?.lua;" .. root .. "lua/?/init.lua;" .. package.path

local M = {}
M.__index = M
local plain_require, plain_execute, plain_popen = require, os.execute, io.popen

local SIGNALS = { HUP = 1, INT = 2, QUIT = 3, KILL = 9, USR1 = 10, USR2 = 12, TERM = 15, CHLD = 17, CONT = 18, STOP = 19 }
local TRIGGERS = { "exit", "error", "rejection", "closed", "idle", "stop", "abort", "reload", "crash", "start_failed", "stall" }

-- ---- tasks

local function finish(m, task, ...)
	task.ended, task.results = true, table.pack(...)
	for _, waiter in ipairs(task.waiters) do
		waiter()
	end
	if task.failed and not task.seen then
		m.unseen[#m.unseen + 1] = task
	end
end

local function resume(m, task, ...)
	local before = m.current
	m.current = task
	local r = table.pack(coroutine.resume(task.co, ...))
	m.current = before
	if coroutine.status(task.co) == "dead" and not task.ended then
		if r[1] then
			finish(m, task, table.unpack(r, 2, r.n))
		else
			task.failed = true
			finish(m, task, nil, tostring(r[2]), "ELUA")
		end
	end
end

local function ready(m, task, ...)
	local args = table.pack(...)
	m.ready[#m.ready + 1] = function()
		if not task.ended then
			resume(m, task, table.unpack(args, 1, args.n))
		end
	end
end

-- Yield until wake(…) is called; setup gets wake.
local function park(m, setup)
	local task = assert(m.current, "this waits, and it is not in a task")
	local woken = false
	setup(function(...)
		if not woken then
			woken = true
			ready(m, task, ...)
		end
	end)
	return coroutine.yield()
end

local Task = {}
Task.__index = Task

function Task:await(ns)
	self.seen = true
	if not self.ended then
		local m = self.m
		local late = park(m, function(wake)
			self.waiters[#self.waiters + 1] = wake
			if ns then
				m:at(ns, function()
					wake "late"
				end)
			end
		end)
		if late and not self.ended then
			return nil, "timed out", "ETIMEDOUT"
		end
	end
	return table.unpack(self.results, 1, self.results.n)
end

function Task:cancel()
	if self.ended then
		return false
	end
	self.cancelled = true
	coroutine.close(self.co)
	finish(self.m, self, nil, "canceled", "ECANCELED")
	return true
end

function Task:done()
	return self.ended
end

local function spawn(m, f, ...)
	assert(type(f) == "function", "spawn: a function")
	local task = setmetatable({ m = m, co = coroutine.create(f), waiters = {}, ended = false }, Task)
	m.tasks[#m.tasks + 1] = task
	ready(m, task, ...)
	return task
end

-- ---- the clock

function M:at(ns, f)
	local timer = { when = self.now + ns, f = f, order = #self.timers }
	self.timers[#self.timers + 1] = timer
	return timer
end

local function next_timer(m)
	local best, at
	for i, timer in ipairs(m.timers) do
		if not best or timer.when < best.when then
			best, at = timer, i
		end
	end
	if best then
		table.remove(m.timers, at)
	end
	return best
end

local function turn(m)
	while #m.ready > 0 do
		table.remove(m.ready, 1)()
	end
	for _, task in ipairs(m.unseen) do
		if not task.seen then
			m.rejections[#m.rejections + 1] = task.results[2]
		end
	end
	m.unseen = {}
end

-- Until nothing is left to happen, or the clock would pass limit (seconds).
function M:settle(limit)
	local last = (limit or 1000000) * 1000000000 -- a script that never ends is cut too
	while true do
		turn(self)
		local timer = next_timer(self)
		if not timer then
			return self
		elseif timer.when > last then
			self.timers[#self.timers + 1] = timer
			self.now = last
			return self
		end
		self.now = math.max(self.now, timer.when)
		timer.f()
	end
end

-- ---- exchanges

local X = {}
X.__index = X

local function note(x, ...)
	x.log[#x.log + 1] = table.pack(...)
	if x.gone then
		return nil, "the peer is gone", "EPIPE"
	end
	return true
end

function X:request()
	return self.given
end

function X:reply(status, headers, body)
	if self.was_begun then
		return nil, "a reply was begun", "EBUSY"
	end
	self.was_begun, self.status, self.headers, self.body = true, status, headers, body
	return note(self, "reply", status)
end

function X:begin(status, headers)
	self.was_begun, self.status, self.headers, self.body = true, status, headers, ""
	return note(self, "begin", status)
end

function X:write(data)
	self.body = (self.body or "") .. data
	return note(self, "write", data)
end

function X:finish()
	return note(self, "finish")
end

function X:flush()
	note(self, "flush")
	return self.m.core.sleep(1000000) or true
end

-- The next chunk of its input; an error is a table { message, code }.
function X:read(max)
	self.m.core.sleep(1000)
	local piece = table.remove(self.input, 1)
	if type(piece) == "table" then
		return nil, piece[1], piece[2]
	elseif piece and max and #piece > max then
		table.insert(self.input, 1, piece:sub(max + 1))
		return piece:sub(1, max)
	end
	return piece
end

function X:close()
	note(self, "close")
	self.closed = true
end

function X:hold()
	self.held = true
end

function X:alive()
	return not self.gone
end

function X:begun()
	return self.was_begun or false
end

function M:exchange(given, input)
	return setmetatable({ m = self, given = given, input = input or {}, log = {} }, X)
end

-- Hand an exchange to a handler, as a server does; the exchange, and the task that ran it.
function M:serve(kind, handler, given, input, server)
	local x = self:exchange(given, input)
	local task = spawn(self, self.hooks.serve, kind, handler, x, server or 1)
	task.seen = true
	self:settle()
	return x, task
end

-- ---- the core's functions

local Decision = { __name = "curfew.decision" }

local function decision(what, code)
	return setmetatable({ what = what, code = code }, Decision)
end

function Decision:__call(code)
	if self.what == "reload" then
		return true
	elseif self.code == nil then
		error(self.what .. " takes no code", 2)
	end
	return decision(self.what, code or self.code)
end

local function scheduling(m, c)
	function c.now()
		return m.now / 1e9
	end

	function c.now_ns()
		return m.now
	end

	function c.sleep(ns)
		assert(math.type(ns) == "integer", "sleep: nanoseconds")
		return park(m, function(wake)
			m:at(ns, function()
				wake(true)
			end)
		end)
	end

	function c.timer(ns, f, again)
		assert(math.type(ns) == "integer" and type(f) == "function", "timer: nanoseconds, function")
		local handle = { active = true }
		function handle:cancel()
			local was = self.active
			self.active = false
			return was
		end
		local function fire()
			if handle.active then
				spawn(m, f)
				if again then
					m:at(again, fire)
				else
					handle.active = false
				end
			end
		end
		m:at(ns, fire)
		return handle
	end

	function c.spawn(f, ...)
		return spawn(m, f, ...)
	end

	function c.any(list, ns)
		local function first()
			for i, task in ipairs(list) do
				if task.ended then
					return i
				end
			end
			return nil
		end
		for _, task in ipairs(list) do
			task.seen = true
		end
		if not first() then
			park(m, function(wake)
				for _, task in ipairs(list) do
					task.waiters[#task.waiters + 1] = wake
				end
				if ns then
					m:at(ns, wake)
				end
			end)
		end
		local i = first()
		if not i then
			return nil, "timed out", "ETIMEDOUT"
		end
		return i
	end

	function c.wait_event(name)
		return park(m, function(wake)
			m.waiting[#m.waiting + 1] = { name = name, f = wake }
		end)
	end

	function c.subscribe(name, f)
		local s = { name = name, f = f }
		m.subscribed[#m.subscribed + 1] = s
		return {
			cancel = function()
				local was = s.f ~= nil
				s.f = nil
				return was
			end,
		}
	end
end

function M:emit(name, value)
	local waiting = self.waiting
	self.waiting = {}
	for _, w in ipairs(waiting) do
		if w.name == name then
			w.f(value)
		else
			self.waiting[#self.waiting + 1] = w
		end
	end
	for _, s in ipairs(self.subscribed) do
		if s.name == name and s.f then
			spawn(self, s.f, value)
		end
	end
end

local function operations(m, c)
	local function serve(name, args)
		c.sleep(1000000)
		local service = m.services[name]
		if not service then
			return nil, "no service " .. name, "ENOENT"
		end
		return service(args)
	end

	function c.service(name, args, callback)
		m.calls[#m.calls + 1] = { name = name, args = args }
		if callback then
			spawn(m, function()
				callback(serve(name, args))
			end)
			return true
		end
		return serve(name, args)
	end

	function c.request(what, id, flag)
		m.requests[#m.requests + 1] = { what = what, id = id, flag = flag }
		c.sleep(1000000)
		if m.on_request then
			return m.on_request(what, id, flag)
		end
		return true
	end

	function c.due() end
	-- nil: the deadline that the ctx came with
	function c.deadline(run)
		return m.moved and m.moved[run]
	end

	function c.deadline(run)
		return m.deadlines[run]
	end

	function c.extend(run, ns)
		m.extended[#m.extended + 1] = { run = run, ns = ns }
		if m.refuse then
			return nil, "past the margin", "EPERM"
		end
		m.deadlines[run] = (m.now + ns) / 1e9
		return true
	end
end

local function path_between(m, from, to, seen)
	if from == to then
		return { to }
	end
	seen[from] = true
	for _, on in ipairs(m.servers[from].on) do
		local path = not seen[on] and path_between(m, on, to, seen)
		if path then
			return { from, table.unpack(path) }
		end
	end
	return nil
end

local function registry(m, c)
	function c.server_find(name)
		for id, server in pairs(m.servers) do
			if server.info.name == name and not server.gone then
				return id
			end
		end
		return nil
	end

	function c.server_after(id, on)
		local path = path_between(m, on, id, {})
		if path then
			local names = { m.servers[id].info.name }
			for i, step in ipairs(path) do
				names[i + 1] = m.servers[step].info.name
			end
			return nil, "servers wait for each other: " .. table.concat(names, " -> "), "ELOOP"
		end
		table.insert(m.servers[id].on, on)
		return true
	end

	function c.server_new(def)
		if m.scarce then
			return nil, "out of memory", "ENOMEM"
		end
		if m.stopping then
			return nil, "a stop has begun", "EBUSY"
		elseif c.server_find(def.name) then
			return nil, ('there is a server named "%s" already'):format(def.name), "EEXIST"
		end
		local id = #m.servers + 1
		local info = { name = def.name, kind = def.kind, state = "down", address = def.listen and def.listen[1] }
		m.servers[id] = { def = def, info = info, on = {}, hooks = {} }
		for _, name in ipairs(def.after or {}) do
			table.insert(m.servers[id].on, c.server_find(name))
		end
		return id
	end

	function c.server_info(id, with_stats)
		local server = m.servers[id]
		if not server or server.gone then
			return nil, "server gone", "ESRCH"
		end
		server.info.stats = with_stats and { requests = 7 } or nil
		return server.info
	end

	function c.hook_new(hook)
		if m.scarce then
			return nil, "out of memory", "ENOMEM"
		end
		if hook.server and m.servers[hook.server].gone then
			return nil, "server gone", "ESRCH"
		end
		m.hook_list[#m.hook_list + 1] = hook
		return true
	end
end

local function rules(m, c)
	function c.rule(name, rule, level)
		table.insert(m.rules, 1, { name = name, rule = rule, level = level })
		return true
	end

	function c.trigger_names()
		return table.move(TRIGGERS, 1, #TRIGGERS, 1, {})
	end

	function c.signal_number(name)
		return SIGNALS[(name:upper():gsub("^SIG", ""))]
	end

	c.decision = decision

	function c.decision_of(v)
		if getmetatable(v) == Decision then
			return v.what, v.code
		end
		return nil
	end

	function c.trigger(name, code)
		m.triggers[#m.triggers + 1] = { name = name, code = code }
		return true
	end
end

local function process(m, c)
	function c.exit(code)
		m.exited = code
		if m.current then
			park(m, function() end)
		end
	end

	function c.configure(conf)
		m.configured[#m.configured + 1] = conf
		return true
	end

	function c.log(level, text)
		m.logged[#m.logged + 1] = level .. " " .. text
	end

	function c.life()
		return m.life
	end

	function c.where()
		local level = 2
		while true do
			local info = debug.getinfo(level, "Sl")
			if not info then
				return nil
			elseif info.what ~= "C" and not info.source:find "lua/curfew/" and not info.source:find "mock%.lua$" then
				return info.short_src .. ":" .. info.currentline
			end
			level = level + 1
		end
	end

	for _, name in ipairs { "call", "kind_call", "trigger", "serve" } do
		c["on_" .. name] = function(f)
			m.hooks[name] = f
		end
	end
end

-- Ask as the core does (S2.11): the newest rule first, nil falls to older ones, then to "*", then to the default.
function M:ask(t)
	for _, level in ipairs { "script", "default" } do
		for _, name in ipairs { t.name, "*" } do
			for _, r in ipairs(self.rules) do
				if r.level == level and r.name == name then
					local answer = r.rule
					if type(answer) == "function" then
						answer = answer(self.hooks.trigger(t))
					end
					if answer ~= nil then
						return self.core.decision_of(answer)
					end
				end
			end
		end
	end
	return nil
end

-- Run a hook's function as the core does; its task.
function M:call(f, ctx, how)
	local task = spawn(self, self.hooks[how or "call"], f, ctx)
	task.seen = true
	return task
end

-- A fresh core with fresh modules on it.
function mock.new()
	local m = setmetatable({
		now = 0,
		life = "new",
		hooks = {},
		services = {},
		core = {},
	}, M)
	for list in ([[ready timers tasks unseen rejections waiting subscribed calls requests extended servers hook_list rules
		triggers configured logged deadlines]]):gmatch "%S+" do
		m[list] = {}
	end
	for _, part in ipairs { scheduling, operations, registry, rules, process } do
		part(m, m.core)
	end
	require, os.execute, io.popen = plain_require, plain_execute, plain_popen -- luacheck: ignore 121 122
	for name in pairs(package.loaded) do
		if name == "curfew" or name:find "^curfew%." then
			package.loaded[name] = nil
		end
	end
	package.preload["curfew.core"] = function()
		return m.core
	end
	m.curfew = require "curfew"
	return m
end

-- Begin src as policy.lua in a task; its values come back by m.got. The test's own values: the global `given`.
function M:begin(src, given)
	local env = setmetatable({ given = given, curfew = self.curfew }, { __index = _G })
	local chunk = assert(load(src, "=policy.lua", "t", env))
	local task = spawn(self, chunk)
	task.seen = true
	return task
end

-- Run src to its end: what it returned, or nil and the error.
function M:run(src, given)
	local task = self:begin(src, given)
	self:settle()
	if not task.ended then
		return nil, "it never ended"
	end
	return table.unpack(task.results, 1, task.results.n)
end

-- The error that src raises.
function M:error(src, given)
	local task = self:begin(src, given)
	self:settle()
	return task.failed and task.results[2] or nil
end

return mock
