-- stmt.lua: statements. After one that does not go on (return, break, error), E.state is dead.
local State = require "curfew.check.state"
local loops = require "curfew.check.loops"
local ops = require "curfew.check.ops"
local value = require "curfew.check.value"

local stmt = {}

function ops.block(E, nodes)
	for _, node in ipairs(nodes) do
		if E.state.dead and node.tag ~= "Label" then
			return
		end
		local f = stmt[node.tag]
		if f then
			f(E, node)
		end
	end
end

local function unused_decision(E, v, node)
	for _, atom in ipairs(v) do
		if atom.kind == "inst" and atom.of == "decision" then
			E.run:policy_finding("decision-unused", node, ("%s is built and not returned: it decides nothing"):format(atom.name))
			return
		end
	end
end

-- The first value, of what is called for its effects.
function stmt.Call(E, node)
	local v = ops.eval(E, node)
	unused_decision(E, v, node)
end
stmt.Invoke = stmt.Call

local function spread(E, nodes, n)
	local values, more = ops.eval_list(E, nodes)
	for i = #values + 1, n do
		values[i] = more or value.null
	end
	return values
end

function stmt.Local(E, node)
	local values = spread(E, node[2] or {}, #node[1])
	for i, id in ipairs(node[1]) do
		ops.declare(E, id.var, values[i])
		if id.var.reads == 0 and node[2] and node[2][i] then
			unused_decision(E, values[i], node[2][i])
		end
	end
end

function stmt.Localrec(E, node)
	local id = node[1][1]
	ops.declare(E, id.var, value.null)
	ops.declare(E, id.var, ops.eval(E, node[2][1]))
end

local function assign(E, target, v, node)
	if target.tag == "Id" then
		ops.assign_id(E, target, v)
		return
	end
	local base = ops.eval(E, target[1])
	local key = ops.key_of(E, target[2])
	E.run.changes = E.run.changes + 1
	for _, atom in ipairs(base) do
		if atom.kind == "table" then
			ops.set_field(E, atom, key, v, node)
		elseif atom.kind == "maybe" then
			ops.nil_used(E, atom, target, "indexing")
		elseif atom.kind == "api" and type(key) == "string" then
			local path = atom.path .. "." .. key
			local cell = E.run.api_fields[path] or State.cell(path)
			E.run.api_fields[path] = cell
			E.state:set(cell, v)
		end
	end
end

function stmt.Set(E, node)
	local values = spread(E, node[2], #node[1])
	for i, target in ipairs(node[1]) do
		assign(E, target, values[i], node)
		if target.tag == "Id" and target.var and target.var.reads == 0 and node[2][i] then
			unused_decision(E, values[i], node[2][i])
		end
	end
end

function stmt.OpSet(E, node)
	ops.eval(E, node[2])
	ops.eval(E, node[3])
	assign(E, node[2], value.any, node)
end

function stmt.Do(E, node)
	ops.block(E, node)
end

function stmt.If(E, node)
	local base, layers = E.state, {}
	local rest = base:fork() -- where no condition held so far
	local i = 1
	while i <= #node do
		E.state = rest
		if node[i].tag then
			ops.eval(E, node[i])
			local dead = E.state.dead
			local layer = ops.branch(E, function()
				E.state.dead = dead
				ops.refine(E, node[i], true)
				ops.block(E, node[i + 1])
			end)
			layers[#layers + 1] = layer:diff(base)
			layers[#layers].dead = layer.dead
			ops.refine(E, node[i], false)
			i = i + 2
		else
			ops.block(E, node[i])
			i = i + 1
		end
		if rest.dead then
			break
		end
	end
	E.state = base
	layers[#layers + 1] = rest
	base:join(layers)
end

-- `return nil` of a function that also returns something else: a nil that its callers may not expect.
local function returned(E, node)
	local values, more = ops.eval_list(E, node)
	local fn = E.frame.fn
	if node[1] and node[1].tag == "Nil" and fn then
		node.maybe = node.maybe or { kind = "maybe", node = node, what = ops.name_of(fn) }
		E.state:learn(node.maybe, false)
		values[1] = { node.maybe }
		if values[2] then
			values[2] = { { kind = "err", of = node.maybe } }
		end
	end
	return values, more
end

function stmt.Return(E, node)
	local values, more = returned(E, node)
	E.leaves = E.leaves + 1
	if not E.state.dead then
		E.returns[#E.returns + 1] = { values = values, more = more, state = E.state:diff(E.base) }
	end
	E.state.dead = true
end

function stmt.Break(E)
	E.breaks = E.breaks + 1
	local loop = E.loop
	if loop and not E.state.dead then
		loop.exits[#loop.exits + 1] = E.state:diff(loop.base)
	end
	E.state.dead = true
end

function stmt.Goto(E)
	E.leaves = E.leaves + 1
	E.state.dead = true
end

-- Whoever jumps here is not followed; what was known at the beginning of the block holds.
function stmt.Label(E)
	E.state.dead = false
end

-- ---- loops

-- body() runs the loop's body once in E.state. at_least_once: repeat. ends: false for one that only break leaves. turns: how
-- often it turns, for what its waits come to.
local function loop(E, node, at_least_once, body, ends, turns)
	local base, outer = E.state, E.loop
	local saved_breaks = E.breaks
	E.loop = { base = base, exits = {} }
	local watch, clock = loops.begin(E, node), ops.clock(E)
	for pass = 1, 2 do
		local layer = ops.branch(E, body)
		if pass == 1 then
			loops.finish(E, node, watch)
			clock:lap(layer)
		end
		if at_least_once and pass == 1 then
			if not layer.dead then
				base:join { layer }
			end
		else
			base:join { base:fork(), layer }
		end
	end
	local exits = E.loop.exits
	if ends then
		exits[#exits + 1] = base:fork()
	end
	base.dead = nil
	base:join(exits)
	E.loop, E.breaks = outer, saved_breaks
	clock:stop(turns or 1)
end

function ops.always(node, truth)
	if node.tag == "Paren" then
		return ops.always(node[1], truth)
	elseif node.tag == "Op" and node[1] == "not" then
		return ops.always(node[2], not truth)
	elseif truth then
		return node.tag == "True" or node.tag == "Number" or node.tag == "String"
	end
	return node.tag == "False" or node.tag == "Nil"
end

function stmt.While(E, node)
	local forever = ops.always(node[1], true)
	loop(E, node, false, function()
		ops.eval(E, node[1])
		ops.refine(E, node[1], true)
		if not E.state.dead then
			ops.block(E, node[2])
		end
	end, not forever)
	if not E.state.dead and not forever and not loops.has_break(node[2]) then
		ops.refine(E, node[1], false)
	end
end

function stmt.Repeat(E, node)
	loop(E, node, true, function()
		ops.block(E, node[1])
		if not E.state.dead then
			ops.eval(E, node[2])
		end
	end, not ops.always(node[2], false))
end

function stmt.Fornum(E, node)
	local bounds = {}
	for i = 2, #node - 1 do
		bounds[i - 1] = ops.eval(E, node[i])
	end
	loop(E, node, false, function()
		ops.declare(E, node[1].var, { value.SOMETHING })
		ops.block(E, node[#node])
	end, true, loops.turns(bounds))
end

-- What a loop over pairs(t) or ipairs(t) is given: the values of t; over a function of the file: what that returns.
local function iterated(E, node)
	local values, more = ops.eval_list(E, node[2])
	local of = values[1] and values[1][1]
	if of and of.kind == "inst" and of.each then
		return { { value.SOMETHING }, #of.each > 0 and of.each or value.any }
	elseif of and (of.kind == "fn" or of.calls) then
		local given = { values[2] or more or value.null, values[3] or more or value.null }
		return (ops.call_value(E, { of }, given, nil, node))
	end
	return {}
end

function stmt.Forin(E, node)
	local each = iterated(E, node)
	if E.state.dead then
		return
	end
	loop(E, node, false, function()
		for i, id in ipairs(node[1]) do
			ops.declare(E, id.var, each[i] or value.any)
		end
		ops.block(E, node[3])
	end, true)
end

return stmt
