-- expr.lua: expressions.
local State = require "curfew.check.state"
local ops = require "curfew.check.ops"
local others = require "curfew.check.others"
local value = require "curfew.check.value"

local expr = {}

-- ---- variables

-- The cell of a local variable: in the frame that declared it.
local function find_cell(E, var)
	local frame = E.frame
	while frame do
		local cell = frame.cells[var]
		if cell then
			return cell
		end
		frame = frame.parent
	end
	return nil
end

function ops.declare(E, var, v)
	local cell = State.cell(var.name)
	E.frame.cells[var] = cell
	E.frame.declared[#E.frame.declared + 1] = cell
	E.state:set(cell, v)
end

local function drop_known(E, v)
	return value.filter(v, function(atom)
		return not (atom.kind == "maybe" and E.state:raw(atom) == true)
	end)
end

-- A global is what the file made of it, or the name of an api.
local function global_cell(E, name)
	return E.run.globals[name]
end

function ops.cell_of_id(E, node)
	if node.var then
		return find_cell(E, node.var)
	end
	return global_cell(E, node[1])
end

function expr.Id(E, node)
	local cell = ops.cell_of_id(E, node)
	if cell then
		return drop_known(E, E.state:get(cell))
	elseif node.var then
		return value.any -- declared in code that was not run
	end
	return value.api(node[1])
end

function ops.assign_id(E, node, v)
	local cell = ops.cell_of_id(E, node)
	if not cell and not node.var then
		cell = State.cell(node[1])
		E.run.globals[node[1]] = cell
	end
	if cell then
		E.state:set(cell, v)
	end
end

-- ---- tables

function ops.new_table(node)
	return { kind = "table", fields = {}, node = node, keys = {} }
end

-- key: a constant, or nil where it is not known.
function ops.set_field(E, t, key, v, node)
	E.run.changes = E.run.changes + 1
	local cell
	if key == nil then
		t.rest = t.rest or State.cell "[…]"
		cell = t.rest
		v = value.union(E.state:raw(cell) or value.none, v)
	else
		cell = t.fields[key]
		if not cell then
			cell = State.cell(tostring(key))
			t.fields[key] = cell
			t.keys[#t.keys + 1] = key
		end
	end
	cell.node = cell.node or node
	E.state:set(cell, v)
end

local function held(E, cell)
	return cell and E.state:get(cell) or value.none
end

-- All that a table may hold, in the order in which the fields were made.
function ops.all_fields(E, t)
	local v = held(E, t.rest)
	for _, key in ipairs(t.keys) do
		v = value.union(v, held(E, t.fields[key]))
	end
	return value.filter(v, function(atom)
		return atom.kind ~= "nil"
	end)
end

local get_field

-- setmetatable's __index: a function is called, a table is looked into.
local function inherited(E, t, key, depth, node)
	local out = value.none
	for _, meta in ipairs(t.meta or {}) do
		local index = meta.kind == "table" and meta.fields.__index
		for _, atom in ipairs(index and E.state:get(index) or {}) do
			if atom.kind == "table" and depth < 8 then
				out = value.union(out, get_field(E, atom, key, depth + 1, node))
			elseif atom.kind == "fn" then
				local given = { { t }, key ~= nil and value.const(key) or value.any }
				local values, more = ops.call_value(E, { atom }, given, nil, node)
				out = value.union(out, values[1] or more or value.null)
			elseif atom.kind ~= "nil" then
				out = value.union(out, value.any)
			end
		end
	end
	return out
end

function get_field(E, t, key, depth, node)
	if key == nil then
		local v = value.union(ops.all_fields(E, t), inherited(E, t, nil, depth, node))
		return #v > 0 and v or value.any
	end
	local cell = t.fields[key]
	local v = value.union(held(E, cell), held(E, t.rest))
	if not cell or value.has(v, value.NIL) then
		v = value.union(value.filter(v, function(atom)
			return atom.kind ~= "nil"
		end), inherited(E, t, key, depth, node))
	end
	return #v > 0 and v or (t.opaque and value.any or value.null)
end

-- What base[key] may be; node is the indexing, for what is found.
function ops.index(E, base, key, node)
	local out = value.none
	for _, atom in ipairs(base) do
		local kind = atom.kind
		if kind == "table" then
			out = value.union(out, get_field(E, atom, key, 0, node))
		elseif kind == "api" and type(key) == "string" then
			local path = atom.path .. "." .. key
			local cell = E.run.api_fields[path]
			out = value.union(out, cell and E.state:get(cell) or value.api(path))
		elseif kind == "const" and type(atom.value) == "string" and type(key) == "string" then
			out = value.union(out, value.api("string." .. key))
		elseif kind == "maybe" then
			ops.nil_used(E, atom, node, "indexing")
		else
			out = value.union(out, value.any)
		end
	end
	return drop_known(E, #out > 0 and out or value.any)
end

function ops.key_of(E, node)
	local v = ops.eval(E, node)
	local key = value.constant(v)
	if key == nil and #v > 0 and v[1].kind ~= "any" then
		return nil, v
	end
	return key, v
end

function expr.Index(E, node)
	local base = ops.eval(E, node[1])
	local key = ops.key_of(E, node[2])
	return ops.index(E, base, key, node)
end

function expr.Table(E, node)
	local t = ops.new_table(node)
	local n = 0
	for i, item in ipairs(node) do
		if item.tag == "Pair" then
			local key = ops.key_of(E, item[1])
			ops.set_field(E, t, key, ops.eval(E, item[2]), item)
		elseif i == #node and (item.tag == "Call" or item.tag == "Invoke" or item.tag == "Dots") then
			local values, more = ops.eval_many(E, item)
			for _, v in ipairs(values) do
				n = n + 1
				ops.set_field(E, t, n, v, item)
			end
			if more then
				ops.set_field(E, t, nil, more, item)
			end
		else
			n = n + 1
			ops.set_field(E, t, n, ops.eval(E, item), item)
		end
	end
	return { t }
end

-- ---- the rest

function expr.Nil()
	return value.null
end

function expr.True()
	return value.const(true)
end

function expr.False()
	return value.const(false)
end

function expr.String(_, node)
	return value.const(node[1])
end

function expr.Number(_, node)
	local n = tonumber(node[1])
	return n and value.const(n) or value.any
end

function expr.Function(E, node)
	local made = E.frame.made[node]
	if not made then
		made = { kind = "fn", node = node, frame = E.frame }
		E.frame.made[node] = made
		E.run.closures[#E.run.closures + 1] = made
	end
	return { made }
end

function expr.Paren(E, node)
	return ops.eval(E, node[1])
end

function expr.Dots(E)
	local values, more = ops.dots(E)
	return values[1] or more or value.null
end

-- The arguments behind the named ones, and what may follow those.
function ops.dots(E)
	local frame = E.frame
	while frame and not frame.dots do
		frame = frame.parent
	end
	if not frame then
		return {}, value.any
	end
	return frame.dots, frame.dots_more
end

-- ---- evaluation

function ops.eval(E, node)
	local run = E.run
	run.steps = run.steps + 1
	if run.steps > run.most_steps or (run.steps % 4096 == 0 and os.clock() > run.until_clock) then
		error(run.exhausted, 0)
	end
	local f = expr[node.tag]
	if f then
		return f(E, node)
	end
	return ops.eval_many(E, node)[1] or value.null
end

-- A list of values, and what may follow them: nil for nothing.
function ops.eval_many(E, node)
	if node.tag == "Call" then
		return ops.call(E, node)
	elseif node.tag == "Invoke" then
		return ops.invoke(E, node)
	elseif node.tag == "Dots" then
		return ops.dots(E)
	end
	return { ops.eval(E, node) }
end

-- The nodes from `from` on, the last one with all its values.
function ops.eval_list(E, nodes, from)
	local out, more = {}, nil
	for i = from or 1, #nodes do
		if i < #nodes then
			out[#out + 1] = ops.eval(E, nodes[i])
		else
			local values
			values, more = ops.eval_many(E, nodes[i])
			table.move(values, 1, #values, #out + 1, out)
		end
	end
	return out, more
end

-- require "x" is the api "x".
function ops.module_path(name)
	return others.alias[name] or name
end

ops.expr = expr
return expr
