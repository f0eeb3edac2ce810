-- policy.lua: what curfew's own functions mean to the rules: servers, hooks, rules for triggers, tasks, waits and exits.
local names = require "curfew.check.names"
local nearest = require "curfew.nearest"
local ops = require "curfew.check.ops"
local units = require "curfew.units"
local value = require "curfew.check.value"

-- path -> function(E, args, more, node, receiver): values, more
local policy = {}

local function arg(args, more, i)
	return args[i] or more or value.null
end

local function tables_in(v)
	return value.filter(v, function(atom)
		return atom.kind == "table"
	end)
end

-- The constant at a key of a table argument; nil where there is none or it is not known.
local function constant_field(E, v, key)
	for _, t in ipairs(tables_in(v)) do
		local cell = t.fields[key]
		if cell then
			return value.constant(E.state:get(cell))
		end
	end
	return nil
end

local function duration(v)
	return v ~= nil and units.duration(v) or nil
end

-- ---- waits of hooks

local function seconds(ns)
	local text = ("%.3f"):format(ns / 1e9):gsub("0+$", ""):gsub("%.$", "")
	return text .. " s"
end

-- A hook has waited for ns in all when E.state is reached.
local function add_wait(E, ns, node)
	local hook = E.ctx.hook
	if not hook or ns <= 0 then
		return
	end
	local before = E.state:raw(hook) or 0
	local limit = hook.limit
	hook.last = node
	E.state:learn(hook, before + ns)
	if limit and node and before < limit and before + ns >= limit and not hook.measuring then
		E.run:policy_finding("hook-too-long", node, ("this %s can wait %s, and the exit timeout is %s"):format(
			hook.what, seconds(before + ns), seconds(limit)), {
			{ node = node, text = "waits here" },
			{ node = hook.node, text = hook.what },
		})
	end
end

-- What a row of apis.lua says about how long it waits.
function ops.count_wait(E, spec, _, args, more, node)
	if not E.ctx.hook then
		return
	end
	local ns
	if type(spec.waits) == "number" then
		ns = duration(value.constant(arg(args, more, spec.waits)))
	elseif type(spec.waits) == "string" then
		for _, v in ipairs(args) do
			ns = ns or duration(constant_field(E, v, spec.waits))
		end
	end
	if ns then
		add_wait(E, ns, node)
	end
end

-- What the waits of a loop come to, whose body is run twice here: lap after the first time, with the state that it led to.
local Clock = {}
Clock.__index = Clock

function ops.clock(E)
	local hook = E.ctx.hook
	return setmetatable({ E = E, hook = hook, began = hook and E.state:raw(hook) or 0, once = 0 }, Clock)
end

function Clock:lap(state)
	if self.hook then
		self.once = state.dead and 0 or (state:raw(self.hook) or 0) - self.began
		self.outer, self.hook.measuring = self.hook.measuring, true
	end
end

function Clock:stop(turns)
	local hook, E = self.hook, self.E
	if hook then
		hook.measuring = self.outer
		if turns ~= math.huge and not E.state.dead then
			E.state:learn(hook, self.began + self.once)
			add_wait(E, self.once * (turns - 1), hook.last or hook.node)
		end
	end
end

-- f() with the hook's clock, and how long it waits; nothing is found meanwhile.
local function measured(E, f)
	local hook = E.ctx.hook
	if not hook then
		f()
		return 0
	end
	local before, outer = E.state:raw(hook) or 0, hook.measuring
	hook.measuring = true
	f()
	hook.measuring = outer
	local after = E.state:raw(hook) or 0
	E.state:learn(hook, before)
	return after - before
end

-- ---- tasks

policy["curfew.spawn"] = function(E, args, _, node)
	local tasks = {}
	for _, fn in ipairs(ops.functions_of(E, 1, args)) do
		local given = table.move(args, 2, #args, 1, {})
		local task = { awaited = false }
		ops.call_back(E, fn, given, value.any, "curfew.spawn", node, task)
		tasks[#tasks + 1] = { kind = "inst", of = "task", task = task, fn = fn, args = given }
	end
	return { #tasks > 0 and tasks or value.inst("task") }
end

-- Wait for a task or run a function: its failure is nil and a message.
local function await(E, v, node)
	local out = value.none
	for _, atom in ipairs(v) do
		local f, args = atom, {}
		if atom.kind == "inst" and atom.task then
			atom.task.awaited = true
			f, args = atom.fn, atom.args
		end
		if f.kind == "fn" then
			local values, more = ops.contained(E, { f }, args, nil, node)
			out = value.union(out, values[1] or more or value.null)
		end
	end
	return out
end

local function awaited(E, v, node, name)
	local maybe = { kind = "maybe", node = node, what = name }
	E.state:learn(maybe, false)
	return { value.union(#v > 0 and v or value.any, { maybe }), { value.ANY, { kind = "err", of = maybe } } }, value.any
end

policy["task:await"] = function(E, args, more, node, receiver)
	E.run.waits = E.run.waits + 1
	local callback = ops.functions_of(E, "fn", args, more)
	for _, fn in ipairs(callback) do
		ops.call_back(E, fn, {}, value.any, "task:await", node)
	end
	local limit = duration(value.constant(arg(args, more, 1)))
	local out
	local waited = measured(E, function()
		out = await(E, receiver and { receiver } or value.any, node)
	end)
	add_wait(E, limit and (waited > 0 and math.min(waited, limit) or limit) or waited, node)
	return awaited(E, out, node, "task:await")
end

-- Side by side: as long as the longest, or, of a race, the shortest.
local function side_by_side(name, pick)
	return function(E, args, more, node)
		E.run.waits = E.run.waits + 1
		local longest, out
		for _, t in ipairs(tables_in(arg(args, more, 1))) do
			for _, atom in ipairs(ops.all_fields(E, t)) do
				local waited = measured(E, function()
					out = await(E, { atom }, node)
				end)
				longest = longest and pick(longest, waited) or waited
			end
		end
		for _, fn in ipairs(ops.functions_of(E, 2, args)) do
			ops.call_back(E, fn, {}, value.any, name, node)
		end
		add_wait(E, longest or 0, node)
		return awaited(E, name == "curfew.race" and out or value.any, node, name)
	end
end
policy["curfew.all"] = side_by_side("curfew.all", math.max)
policy["curfew.race"] = side_by_side("curfew.race", math.min)

policy["curfew.timeout"] = function(E, args, more, node)
	E.run.waits = E.run.waits + 1
	local limit = duration(value.constant(arg(args, more, 1)))
	local out
	local waited = measured(E, function()
		out = await(E, arg(args, more, 2), node)
	end)
	for _, fn in ipairs(ops.functions_of(E, 3, args)) do
		ops.call_back(E, fn, {}, value.any, "curfew.timeout", node)
	end
	add_wait(E, limit and math.min(waited > 0 and waited or limit, limit) or waited, node)
	return awaited(E, out, node, "curfew.timeout")
end

-- ---- servers

-- Routes may be added after curfew.http was called: they are looked at when the main script has run.
local function serve_routes(E, cell)
	for _, t in ipairs(tables_in(E.state:get(cell))) do
		for _, key in ipairs(t.keys) do
			for _, fn in ipairs(E.state:get(t.fields[key])) do
				if fn.kind == "fn" then
					ops.serve(E, fn, ('the handler of "%s"'):format(key), false, t.fields[key].node, { value.any, value.inst "res" })
				end
			end
		end
		for _, fn in ipairs(t.rest and E.state:get(t.rest) or {}) do
			if fn.kind == "fn" then
				ops.serve(E, fn, "a handler of curfew.http", false, t.rest.node)
			end
		end
	end
end

local function hook_of(E, fn, phase, options, node)
	if fn.kind ~= "fn" then
		return
	end
	local ctx = { phase = phase }
	ctx.trace = { node = node, text = phase .. " hook" }
	if phase ~= "pre_start" and phase ~= "post_start" then
		local own = options and duration(constant_field(E, options, "timeout"))
		ctx.hook = { kind = "clock", node = node, what = phase .. " hook", own = own }
	end
	ops.later(E, fn, {}, value.any, ctx)
end

local function server(kind)
	return function(E, args, more, node)
		for _, t in ipairs(tables_in(arg(args, more, 1))) do
			local handler = t.fields.handler
			for _, fn in ipairs(handler and E.state:get(handler) or {}) do
				if fn.kind == "fn" then
					local given = kind == "tcp" and { value.inst "conn" } or { value.any, value.inst "res" }
					ops.serve(E, fn, ("the handler of curfew.%s"):format(kind), false, handler.node, given)
				end
			end
			if t.fields.routes then
				local run = E.run
				run.at_end[#run.at_end + 1] = function(at)
					serve_routes(at, t.fields.routes)
				end
			end
			for _, key in ipairs { "start", "stop", "abort" } do
				local cell = kind == "server" and t.fields[key]
				for _, fn in ipairs(cell and E.state:get(cell) or {}) do
					hook_of(E, fn, key == "start" and "pre_start" or key, nil, cell.node or node)
				end
			end
		end
		return { value.inst("server") }
	end
end
for _, kind in ipairs { "http", "tcp", "process", "server" } do
	policy["curfew." .. kind] = server(kind)
end

for _, phase in ipairs { "pre_start", "post_start", "pre_stop", "post_stop" } do
	local function add(E, args, more, node, receiver)
		for _, fn in ipairs(arg(args, more, 1)) do
			hook_of(E, fn, phase, args[2], node)
		end
		return { receiver and { receiver } or value.any }
	end
	policy[":" .. phase] = add
	policy["curfew." .. phase] = add
end

-- ctx:extend moves the end of the stop.
policy[":extend"] = function(E, args, more)
	local hook = E.ctx.hook
	local ns = duration(value.constant(arg(args, more, 1)))
	if hook then
		hook.limit = hook.limit and ns and math.max(hook.limit, (E.state:raw(hook) or 0) + ns)
	end
	return { value.any }, value.any
end

-- ---- rules

local function check_trigger(E, v, node)
	for _, atom in ipairs(v) do
		if atom.kind == "table" then
			for i, key in ipairs(atom.keys) do
				local item = atom.node and atom.node[i]
				check_trigger(E, E.state:get(atom.fields[key]), item and item.tag == "String" and item or node)
			end
		elseif atom.kind == "const" and type(atom.value) == "string" then
			local name = atom.value
			if name ~= "*" and not names.is_trigger(name) then
				local near = nearest(name, names.all())
				local hint = near and ('; did you mean "%s"?'):format(near) or '; one of your own is written "custom:NAME"'
				E.run:policy_finding("unknown-trigger", node, ('there is no trigger "%s"%s'):format(name, hint))
			end
		end
	end
end

local function trigger_node(node)
	return node and node.tag == "Call" and node[2] or node
end

policy["curfew.on"] = function(E, args, more, node)
	check_trigger(E, arg(args, more, 1), trigger_node(node))
	for _, fn in ipairs(arg(args, more, 2)) do
		if fn.kind == "fn" then
			ops.later(E, fn, {}, value.any, { rule = true, trace = { node = node, text = "rule" } })
		end
	end
	return {}
end

policy["curfew.trigger"] = function(E, args, more, node)
	check_trigger(E, arg(args, more, 1), trigger_node(node))
	return { value.any }
end

policy["curfew.configure"] = function(E, args, more)
	for _, t in ipairs(tables_in(arg(args, more, 1))) do
		local cell = t.fields.exit_timeout
		if cell then
			E.run.exit_timeout = duration(value.constant(E.state:get(cell))) or false
		end
	end
	return {}
end

-- ---- the end

local function ends_with_0(args, more)
	if #args == 0 then
		return not more
	end
	local code = value.constant(args[1])
	return code == 0 or code == true
end

local function leave(E, args, more, node)
	if E.ctx.phase == "pre_stop" and not E.ctx.root and ends_with_0(args, more) then
		E.run:policy_finding("pre-stop-exit-0", node, "a pre_stop hook that exits with 0 ends here as a success", {
			{ node = node, text = "exits here" },
			{ node = E.ctx.trace.node, text = "on the way from the hook" },
		})
	end
	E.run.ends = E.run.ends + 1
	E.state.dead = true
	return {}
end
policy["os.exit"], policy["curfew.exit"] = leave, leave

return policy
