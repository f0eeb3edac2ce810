-- call.lua: calls: of the file's own functions, which are run, and of what apis.lua knows.
local apis = require "curfew.check.apis"
local ops = require "curfew.check.ops"
local value = require "curfew.check.value"

local DEEPEST = 40 -- calls within calls
local TWICE = 2 -- a function that calls itself is entered so often
local OFTEN = 3 -- the same function with the same arguments on the same behalf: the state may differ

-- ---- contexts

-- changes over ctx; a context is never changed once it is used.
function ops.with(ctx, changes)
	return setmetatable(changes, { __index = ctx })
end

local function step(ctx, node, text)
	return { node = node, text = text, prev = ctx.trace }
end

function ops.protected(ctx)
	return ctx.protected and ctx or ops.with(ctx, { protected = true })
end

-- ---- what is raised

local function path_of(ctx, node, text)
	local path, link = { { node = node, text = text } }, ctx.trace
	while link do
		path[#path + 1] = { node = link.node, text = link.text }
		link = link.prev
	end
	return path
end

-- An error is raised at node on behalf of E.ctx; text says what raises.
function ops.raise(E, node, text)
	local ctx = E.ctx
	if not ctx.protected then
		E.run.ends = E.run.ends + 1
	end
	if ctx.root and ctx.async and not ctx.protected then
		local label = ctx.root.label
		local where = ctx.async == label and label or ("a callback of %s, reachable from %s"):format(ctx.async, label)
		E.run.findings:add("server-crash", node, ("%s in %s, with no pcall between"):format(text, where), {
			path = path_of(ctx, node, text),
			task = ctx.task,
		})
	end
end

-- The nil that an operation may have returned is used at node.
function ops.nil_used(E, maybe, node, how)
	if E.state:raw(maybe) ~= true then
		ops.raise(E, node, ("%s what %s returned, nil when it fails,"):format(how, maybe.what))
		E.state:learn(maybe, true)
	end
end

-- ---- the file's own functions

local ids = 0
local function id(atom)
	if not atom.id then
		ids = ids + 1
		atom.id = ids
	end
	return atom.id
end

local function key_of(E, fn, args)
	local ctx, parts = E.ctx, { id(fn) }
	for _, v in ipairs(args) do
		for _, atom in ipairs(v) do
			parts[#parts + 1] = id(atom)
		end
		parts[#parts + 1] = ";"
	end
	parts[#parts + 1] = ctx.root and (ctx.async and (ctx.protected and "p" or "a") or "s") or (ctx.phase or "-")
	parts[#parts + 1] = ctx.task and tostring(ctx.task) or ""
	parts[#parts + 1] = ctx.hook and tostring(ctx.hook) or ""
	return table.concat(parts, " ")
end

local function bind(E, fn, args, more)
	local params = fn.node[1]
	for i, param in ipairs(params) do
		if param.tag == "Id" then
			ops.declare(E, param.var, args[i] or more or value.null)
		else
			E.frame.dots = table.move(args, i, #args, 1, {})
			E.frame.dots_more = more
		end
	end
end

local function merge_returns(returns)
	local out, more = {}, nil
	for _, r in ipairs(returns) do
		for i = 1, math.max(#r.values, #out) do
			local v = r.values[i] or r.more or value.null
			out[i] = out[i] and value.union(out[i], v) or (r == returns[1] and v or value.union(v, value.null))
		end
		more = r.more and value.union(more or value.none, r.more) or more
	end
	return out, more
end

-- The variables of a call are gone after it, unless a closure may have them.
local function forget(frame, states)
	if next(frame.made) then
		return
	end
	for _, s in ipairs(states) do
		for _, cell in ipairs(frame.declared) do
			s.vals[cell] = nil
		end
	end
end

-- Run its body; what it returns. E.state is dead afterwards when it never does.
local function run_body(E, fn, args, more, ctx)
	local base = E.state
	local inside = {
		run = E.run,
		ctx = ctx,
		state = base:fork(),
		frame = { cells = {}, declared = {}, made = {}, parent = fn.frame, fn = fn },
		returns = {},
		leaves = 0,
		breaks = 0,
	}
	inside.base = base
	bind(inside, fn, args, more)
	ops.block(inside, fn.node[2])
	local exits = {}
	for i, r in ipairs(inside.returns) do
		exits[i] = r.state
	end
	if not inside.state.dead then
		exits[#exits + 1] = inside.state
		inside.returns[#inside.returns + 1] = { values = {} }
	end
	forget(inside.frame, exits)
	base:join(exits)
	return merge_returns(inside.returns)
end

-- Call one function of the file on behalf of ctx.
function ops.enter(E, fn, args, more, ctx)
	local run = E.run
	run.entered[fn.node] = true
	local active = run.active[fn.node] or 0
	if active >= TWICE or run.depth >= DEEPEST then
		run.unknown = run.unknown + 1
		return {}, value.any
	end
	local saved = E.ctx
	E.ctx = ctx
	local key = key_of(E, fn, args)
	E.ctx = saved
	local known = run.memo[key]
	if known and known.count >= OFTEN then
		run.unknown = run.unknown + 1
		E.state.dead = E.state.dead or known.dead
		return known.values, known.more
	end
	run.active[fn.node], run.depth = active + 1, run.depth + 1
	local values, rest = run_body(E, fn, args, more, ctx)
	run.active[fn.node], run.depth = active, run.depth - 1
	run.memo[key] = { count = (known and known.count or 0) + 1, values = values, more = rest, dead = E.state.dead }
	return values, rest
end

-- ---- any value

local function call_atom(E, atom, args, more, node, ctx)
	local kind = atom.kind
	if kind == "fn" then
		if node then
			ctx = ops.with(ctx, { trace = step(ctx, node, ("%s is called here"):format(ops.name_of(atom))) })
		end
		return ops.enter(E, atom, args, more, ctx)
	elseif kind == "api" then
		local saved = E.ctx
		E.ctx = ctx
		local values, rest = ops.api(E, atom.path, args, more, node)
		E.ctx = saved
		return values, rest
	elseif kind == "inst" and atom.calls then -- coroutine.wrap
		return ops.call_value(E, atom.calls, args, more, node, ctx)
	elseif kind == "table" then
		for _, meta in ipairs(atom.meta or {}) do
			local cell = meta.kind == "table" and meta.fields.__call
			if cell then
				return ops.call_value(E, E.state:get(cell), { { atom }, table.unpack(args) }, more, node, ctx)
			end
		end
	elseif kind == "maybe" then
		ops.nil_used(E, atom, node, "calling")
		return {}, value.none
	end
	E.run.unknown = E.run.unknown + 1
	return {}, value.any
end

-- Call what a value may be: each possibility is a branch of its own.
function ops.call_value(E, callee, args, more, node, ctx)
	ctx = ctx or E.ctx
	if #callee == 1 then
		return call_atom(E, callee[1], args, more, node, ctx)
	end
	local layers, out = {}, {}
	for _, atom in ipairs(callee) do
		if atom.kind ~= "nil" then
			layers[#layers + 1] = ops.branch(E, function()
				local values, rest = call_atom(E, atom, args, more, node, ctx)
				if not E.state.dead then
					out[#out + 1] = { values = values, more = rest }
				end
			end)
		end
	end
	if #layers == 0 then
		E.run.unknown = E.run.unknown + 1
		return {}, value.any
	end
	E.state:join(layers)
	return merge_returns(out)
end

function ops.name_of(fn)
	local name = fn.node.fname
	return name and ("function '%s'"):format(name) or ("the function of line %d"):format(fn.node.line)
end

function ops.call(E, node)
	local callee = ops.eval(E, node[1])
	local args, more = ops.eval_list(E, node, 2)
	E.call = node
	return ops.call_value(E, callee, args, more, node)
end

-- ---- methods

-- The path of a method of one thing, and the name that stands for it in messages.
local function method_path(atom, name)
	if atom.kind == "api" then
		return atom.path .. ":" .. name
	elseif atom.kind == "inst" then
		return atom.of .. ":" .. name
	end
	return "?:" .. name
end

local function invoke_atom(E, atom, receiver, name, args, more, node)
	if atom.kind == "maybe" then
		ops.nil_used(E, atom, node, "indexing")
		return {}, value.none, true
	elseif atom.kind == "table" then
		local f = ops.index(E, { atom }, name, node)
		return ops.call_value(E, f, { { atom }, table.unpack(args) }, more, node)
	elseif atom.kind == "const" or apis.string_methods[name] and atom.kind ~= "api" then
		return ops.api(E, "string." .. name, { receiver, table.unpack(args) }, more, node)
	end
	return ops.api(E, method_path(atom, name), args, more, node, atom)
end

function ops.invoke(E, node)
	local receiver = ops.eval(E, node[1])
	local args, more = ops.eval_list(E, node, 3)
	local name = node[2][1]
	E.call = node
	local out, layers = {}, {}
	for _, atom in ipairs(receiver) do
		if atom.kind ~= "nil" or #receiver == 1 then
			local layer = ops.branch(E, function()
				local values, rest, failed = invoke_atom(E, atom, { atom }, name, args, more, node)
				if not E.state.dead and not failed then
					out[#out + 1] = { values = values, more = rest }
				end
			end)
			layers[#layers + 1] = layer
		end
	end
	if #layers == 0 then
		return {}, value.any
	end
	E.state:join(layers)
	if #out == 0 then
		return {}, value.any
	end
	return merge_returns(out)
end

ops.step = step
ops.merge_returns = merge_returns
return ops
