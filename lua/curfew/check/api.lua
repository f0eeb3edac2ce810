-- api.lua: a call of something that the file does not define: a row of a table, or a function here.
local apis = require "curfew.check.apis"
local builtin = require "curfew.check.builtin"
local ops = require "curfew.check.ops"
local policy = require "curfew.check.policy"
local value = require "curfew.check.value"

local function arg(args, more, i)
	return args[i] or more or value.null
end

-- ---- functions among the arguments

local function functions_in(v, out)
	for _, atom in ipairs(v) do
		local raises = atom.kind == "api" and (atom.path == "error" or atom.path == "assert")
		if atom.kind == "fn" or atom.calls or raises then
			out[#out + 1] = atom
		end
	end
	return out
end

-- Those that `which` means: see apis.lua.
function ops.functions_of(E, which, args, more)
	local out = {}
	if type(which) == "number" then
		return functions_in(arg(args, more, which), out)
	end
	for _, v in ipairs(args) do
		if which == "fn" then
			functions_in(v, out)
		else
			for _, atom in ipairs(v) do
				if atom.kind == "table" and atom.fields[which] then
					functions_in(E.state:get(atom.fields[which]), out)
				end
			end
		end
	end
	return out
end

-- ---- calling back

local function new_maybe(E, node, what)
	node.maybe = node.maybe or { kind = "maybe", node = node, what = what }
	E.state:learn(node.maybe, false)
	return node.maybe
end

-- What a callback is given.
local function given(E, spec, args, node, name)
	if spec.pass or spec.lead then
		local out = {}
		for i = 1, spec.lead or 0 do
			out[i] = value.any
		end
		if spec.pass then
			table.move(args, spec.pass, #args, #out + 1, out)
		end
		return out, value.any
	end
	local out = {}
	if spec.cb then
		local maybe = { kind = "maybe", node = node, what = name }
		for i, kind in ipairs(spec.cb) do
			local beside = kind == "maybe" and maybe or kind == "err" and { kind = "err", of = maybe } or nil
			out[i] = { value.ANY, beside }
		end
	end
	return out, value.any
end

-- Queue it for later, with what is known now.
function ops.later(E, fn, args, more, ctx)
	local run = E.run
	run.queue[#run.queue + 1] = { fn = fn, args = args, more = more, ctx = ctx, state = E.state:snapshot() }
end

-- The innermost asynchronous callback is what a finding names: what led to it is in the path.
function ops.call_back(E, fn, args, more, name, node, task)
	local ctx = E.ctx
	ops.later(E, fn, args, more, {
		root = ctx.root,
		async = name,
		task = task,
		trace = ops.step({ trace = ops.step(ctx, node, ("%s is called here"):format(name)) }, fn.node or node,
			("run later by %s, outside any pcall around it"):format(name)),
	})
end

function ops.serve(E, fn, label, bare, node, args)
	local trace = { node = node or fn.node, text = label }
	ops.later(E, fn, args or {}, value.any, { root = { label = label }, async = bare and label or nil, trace = trace })
end

-- ---- the rows

local function returned(E, spec, name, node, called_back)
	local out
	if spec.returns == "decision" and not (spec.asks and not E.ctx.rule) then
		out = value.inst("decision", { name = name })
	else
		out = spec.returns and spec.returns ~= "decision" and value.inst(spec.returns) or value.any
	end
	if spec.nilable and not called_back then
		local maybe = new_maybe(E, node, name)
		return { value.union(out, { maybe }), { value.ANY, { kind = "err", of = maybe } } }, value.any
	end
	return { out }, value.any
end

local function row(E, spec, name, args, more, node)
	local run = E.run
	local called_back = false
	if spec.async then
		for _, fn in ipairs(ops.functions_of(E, spec.async, args, more)) do
			local params, open = given(E, spec, args, node, name)
			ops.call_back(E, fn, params, open, name, node)
			called_back = true
		end
	end
	if spec.handler then
		for _, fn in ipairs(ops.functions_of(E, spec.handler, args, more)) do
			ops.serve(E, fn, ("the handler of %s"):format(name), spec.bare, fn.node or node)
			called_back = true
		end
	end
	if spec.contains then
		ops.contained(E, arg(args, more, spec.contains), table.move(args, spec.pass or #args + 1, #args, 1, {}), more, node)
	end
	if spec.blocks then
		run:policy_finding("blocking-call", node, ("%s blocks the event loop"):format(name))
	end
	if spec.waits and not called_back then
		run.waits = run.waits + 1
		ops.count_wait(E, spec, name, args, more, node)
	end
	if spec.ends then
		run.ends = run.ends + 1
		E.state.dead = true
	elseif not (spec.pure or spec.async or spec.handler or spec.returns or spec.blocks) then
		run.unknown = run.unknown + (spec.waits and 0 or 1)
	end
	if spec.wraps then
		return { arg(args, more, spec.wraps) }
	end
	return returned(E, spec, name, node, called_back)
end

-- name: for messages. "?:read_start" and "luv.new_tcp:listen" are ":read_start" and ":listen" where no row is more exact.
local function find(run, path)
	local spec = run.apis[path]
	if spec then
		return spec, path
	end
	local method = path:match ":[^:]+$"
	if method and run.apis[method] then
		return run.apis[method], method
	end
	return nil, path
end

function ops.api(E, path, args, more, node, receiver)
	local f = policy[path] or policy[path:match ":[^:]+$" or ""] or builtin[path]
	if f and not E.run.apis[path] then
		return f(E, args, more, node, receiver)
	end
	local spec, name = find(E.run, path)
	if not spec and E.run.policy then
		spec = apis.blocking[path]
	end
	if spec then
		return row(E, spec, name, args, more, node)
	end
	E.run.unknown = E.run.unknown + 1
	if path:find "^luv%.new_" then
		return { value.inst("?") }
	end
	return { value.any }, value.any
end

return ops
