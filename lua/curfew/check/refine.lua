-- refine.lua: operators, and what is known once a condition held or did not.
local ops = require "curfew.check.ops"
local value = require "curfew.check.value"

local expr = ops.expr

-- ---- what a condition says

-- The cells that a name or a field is, its value, and whether nothing but this file's visible code changes it.
local function place(E, node)
	if node.tag == "Id" then
		return ops.cell_of_id(E, node), node.var and node.var.writes == 0
	elseif node.tag == "Index" then
		local base = ops.eval(E, node[1])
		local key = ops.key_of(E, node[2])
		if #base == 1 and base[1].kind == "table" and key ~= nil then
			return base[1].fields[key], false
		end
	end
	return nil, false
end

local function refine_place(E, node, truth)
	local cell, fixed = place(E, node)
	if not cell then
		return
	end
	local v = E.state:get(cell)
	for _, atom in ipairs(v) do
		if atom.kind == "maybe" and truth then
			E.state:learn(atom, true)
		elseif atom.kind == "err" and not truth then
			E.state:learn(atom.of, true) -- no message: the operation has succeeded
		end
	end
	local left = value.filter(v, truth and value.may_be_true or value.may_be_false)
	if #left > 0 then
		E.state:learn(cell, left)
	elseif fixed then
		E.state.dead = true
	end
end

-- `x == nil`, `type(x) == "table"`, `x == "text"`: which node, and what truth of it the equality means.
local function equality(node)
	local a, b = node[2], node[3]
	if a.tag == "Nil" or a.tag == "String" or a.tag == "Number" then
		a, b = b, a
	end
	if b.tag == "Nil" then
		return a, false
	elseif b.tag == "True" then
		return a, true
	elseif b.tag == "False" then
		return a, nil
	elseif b.tag == "String" or b.tag == "Number" then
		local asks = a.tag == "Call" and a[1].tag == "Id" and not a[1].var
		if asks and a[2] and (a[1][1] == "type") then
			return a[2], b[1] ~= "nil"
		end
		return a, true
	end
	return nil
end

local refine_kept

local function refine_equality(E, node, truth)
	local about, means = equality(node)
	if about == nil or means == nil then
		return
	elseif node[3].tag == "Nil" or node[2].tag == "Nil" then
		ops.refine(E, about, not truth)
	elseif truth then
		ops.refine(E, about, means)
	elseif means == false then
		ops.refine(E, about, true) -- type(x) == "nil" does not hold
	end
end

-- Every variable in it has its first value for ever.
local function is_fixed(node)
	if node.tag == "Id" then
		return node.var and node.var.writes == 0
	elseif node.tag == "Op" then
		return is_fixed(node[2]) and (not node[3] or is_fixed(node[3]))
	elseif node.tag == "Paren" then
		return is_fixed(node[1])
	end
	return node.tag == "Nil" or node.tag == "True" or node.tag == "False" or node.tag == "String" or node.tag == "Number"
end

-- `local ok = p ~= nil`: what ok says, it says of p.
function refine_kept(E, node, truth)
	local init = node.tag == "Id" and node.var and node.var.writes == 0 and node.var.init
	if init and init.tag == "Op" and is_fixed(init) then
		ops.refine(E, init, truth)
	end
end

-- E.state: node was true, or false.
function ops.refine(E, node, truth)
	if node.tag == "Paren" then
		return ops.refine(E, node[1], truth)
	elseif node.tag == "Op" then
		local op = node[1]
		if op == "not" then
			ops.refine(E, node[2], not truth)
		elseif (op == "and" and truth) or (op == "or" and not truth) then
			ops.refine(E, node[2], truth)
			ops.refine(E, node[3], truth)
		elseif op == "eq" then
			refine_equality(E, node, truth)
		elseif op == "ne" then
			refine_equality(E, node, not truth)
		end
	elseif node.tag == "Id" or node.tag == "Index" then
		refine_place(E, node, truth)
		refine_kept(E, node, truth)
	elseif node.tag == "True" or node.tag == "False" or node.tag == "Nil" then
		if (node.tag == "True") ~= truth then
			E.state.dead = true
		end
	end
end

-- ---- operators

-- In a layer of its own: f() with E.state that of the branch; the layer.
function ops.branch(E, f)
	local base = E.state
	E.state = base:fork()
	local result = f()
	local layer = E.state
	E.state = base
	return layer, result
end

local function shortcut(E, node, goes_on)
	local left = ops.eval(E, node[2])
	local kept = value.filter(left, goes_on and value.may_be_false or value.may_be_true)
	local skipped = ops.branch(E, function()
		ops.refine(E, node[2], not goes_on)
	end)
	local went, right = ops.branch(E, function()
		ops.refine(E, node[2], goes_on)
		return E.state.dead and value.none or ops.eval(E, node[3])
	end)
	skipped.dead = skipped.dead or (#kept == 0 and #left > 0)
	E.state:join { skipped, went }
	if went.dead then
		return #kept > 0 and kept or value.any
	end
	return value.union(kept, right)
end

local function fold(op, a, b)
	if op == "concat" then
		local plain = (type(a) == "string" or type(a) == "number") and (type(b) == "string" or type(b) == "number")
		return plain and a .. b or nil
	elseif type(a) ~= "number" or type(b) ~= "number" then
		return nil
	elseif op == "add" then
		return a + b
	elseif op == "sub" then
		return a - b
	elseif op == "mul" then
		return a * b
	elseif op == "div" and b ~= 0 then
		return a / b
	end
	return nil
end

local words = { concat = "concatenating", len = "taking the length of" }
for _, op in ipairs { "lt", "le", "gt", "ge" } do
	words[op] = "comparing"
end

local function use_operand(E, v, op, node)
	for _, atom in ipairs(v) do
		if atom.kind == "maybe" then
			ops.nil_used(E, atom, node, words[op] or "computing with")
		end
	end
end

local literals = { Number = true, String = true }

function expr.Op(E, node)
	local op = node[1]
	if op == "and" then
		return shortcut(E, node, true)
	elseif op == "or" then
		return shortcut(E, node, false)
	end
	local a = ops.eval(E, node[2])
	local b = node[3] and ops.eval(E, node[3])
	if op == "not" then
		if #a > 0 and #value.filter(a, value.may_be_false) == 0 then
			return value.const(false)
		end
		return value.any
	elseif op == "eq" or op == "ne" then
		local x, y = literals[node[2].tag] and value.constant(a), literals[node[3].tag] and value.constant(b)
		return x and y and value.const((x == y) == (op == "eq")) or value.any
	end
	use_operand(E, a, op, node)
	if b then
		use_operand(E, b, op, node)
	end
	local known
	if b then
		known = fold(op, value.constant(a), value.constant(b))
	elseif op == "unm" and type(value.constant(a)) == "number" then
		known = -value.constant(a)
	end
	if known == nil and (op == "lt" or op == "le" or op == "gt" or op == "ge") then
		return value.any
	end
	return known ~= nil and value.const(known) or { value.SOMETHING }
end

return expr
