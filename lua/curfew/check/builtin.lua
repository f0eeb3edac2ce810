-- builtin.lua: what Lua's own functions do with errors, functions and tables.
local modules = require "curfew.check.modules"
local ops = require "curfew.check.ops"
local value = require "curfew.check.value"

-- path -> function(E, args, more, node): values, more
local builtin = {}

local function arg(args, more, i)
	return args[i] or more or value.null
end

local function rest(args, from)
	return table.move(args, from, #args, 1, {})
end

-- ---- errors

function builtin.error(E, _, _, node)
	ops.raise(E, node, "error()")
	E.state.dead = true
	return {}
end

builtin["assert"] = function(E, args, more, node)
	local v = arg(args, more, 1)
	local may_fail = false
	for _, atom in ipairs(v) do
		may_fail = may_fail or (value.may_be_false(atom) and not (atom.kind == "maybe" and E.state:raw(atom) == true))
	end
	if may_fail or #v == 0 then
		ops.raise(E, node, "assert()")
	end
	for _, atom in ipairs(v) do
		if atom.kind == "maybe" then
			E.state:learn(atom, true)
		end
	end
	if node.tag == "Call" and node[2] and ops.names(E, node[1], "assert") then
		ops.refine(E, node[2], true)
	end
	local kept = value.filter(v, value.may_be_true)
	if #v > 0 and #kept == 0 then
		E.state.dead = #value.filter(v, function(atom)
			return atom.kind == "maybe"
		end) == 0
	end
	local out = table.move(args, 1, #args, 1, {})
	out[1] = #kept > 0 and kept or value.any
	return out, more
end

-- The call's own name, not an alias or a wrapper of it.
function ops.names(_, node, name)
	return node.tag == "Id" and not node.var and node[1] == name
end

-- f(…) where no error comes out; the state afterwards is as if it had run, or not, or half.
local function contained(E, f, args, more, node)
	local ends = E.run.ends
	local values, open
	local ran = ops.branch(E, function()
		values, open = ops.call_value(E, f, args, more, node, ops.protected(E.ctx))
	end)
	E.run.ends = ends
	E.state:join { E.state:fork(), ran }
	if ran.dead then
		return {}, value.any
	end
	return values, open
end
ops.contained = contained

function builtin.pcall(E, args, more, node)
	local values, open = contained(E, arg(args, more, 1), rest(args, 2), more, node)
	return { value.any, value.union(values[1] or open or value.null, value.any), table.unpack(values, 2) }, value.any
end

function builtin.xpcall(E, args, more, node)
	local values, open = contained(E, arg(args, more, 1), rest(args, 3), more, node)
	contained(E, arg(args, more, 2), { value.any }, nil, node)
	return { value.any, value.union(values[1] or open or value.null, value.any), table.unpack(values, 2) }, value.any
end

-- ---- coroutines

builtin["coroutine.wrap"] = function(_, args, more)
	return { value.inst("coroutine", { calls = arg(args, more, 1) }) }
end

builtin["coroutine.create"] = function(_, args, more)
	return { value.inst("thread", { body = arg(args, more, 1) }) }
end

-- An error in the coroutine is resume's false.
builtin["coroutine.resume"] = function(E, args, more, node)
	for _, atom in ipairs(arg(args, more, 1)) do
		if atom.kind == "inst" and atom.body then
			contained(E, atom.body, rest(args, 2), more, node)
		end
	end
	return { value.any }, value.any
end

-- ---- tables

function builtin.setmetatable(E, args, more)
	for _, atom in ipairs(arg(args, more, 1)) do
		if atom.kind == "table" then
			atom.meta = value.union(atom.meta or value.none, arg(args, more, 2))
			E.run.changes = E.run.changes + 1
		end
	end
	return { arg(args, more, 1) }
end

function builtin.getmetatable(_, args, more)
	local out = value.none
	for _, atom in ipairs(arg(args, more, 1)) do
		out = value.union(out, atom.meta or value.none)
	end
	return { #out > 0 and out or value.any }
end

local function contents(E, v)
	local out = value.none
	for _, atom in ipairs(v) do
		out = value.union(out, atom.kind == "table" and ops.all_fields(E, atom) or value.any)
	end
	return out
end

local function iterate(E, args, more)
	return { value.inst("iterator", { each = contents(E, arg(args, more, 1)) }), value.any, value.any }
end
builtin.pairs, builtin.ipairs = iterate, iterate

function builtin.next(E, args, more)
	return { value.any, contents(E, arg(args, more, 1)) }
end

builtin["table.insert"] = function(E, args, more)
	E.run.changes = E.run.changes + 1
	for _, atom in ipairs(arg(args, more, 1)) do
		if atom.kind == "table" then
			ops.set_field(E, atom, nil, arg(args, more, math.max(2, #args)))
		end
	end
	return {}
end

builtin["table.remove"] = function(E, args, more)
	E.run.changes = E.run.changes + 1
	return { value.union(contents(E, arg(args, more, 1)), value.any) }
end

builtin["table.pack"] = function(E, args, more, node)
	local t = ops.new_table(node)
	for i, v in ipairs(args) do
		ops.set_field(E, t, i, v)
	end
	if more then
		ops.set_field(E, t, nil, more)
	end
	ops.set_field(E, t, "n", { value.SOMETHING })
	return { { t } }
end

local function unpack_table(E, args, more)
	local values = {}
	for _, atom in ipairs(arg(args, more, 1)) do
		if atom.kind == "table" then
			for i = 1, #atom.keys do
				local cell = atom.fields[i]
				if cell then
					values[i] = value.union(values[i] or value.none, E.state:get(cell))
				end
			end
		end
	end
	return values, contents(E, arg(args, more, 1))
end
builtin["table.unpack"], builtin["unpack"] = unpack_table, unpack_table

builtin["select"] = function(_, args, more)
	local n = value.constant(arg(args, more, 1))
	if type(n) == "number" and n >= 1 then
		return rest(args, n // 1 + 1), more
	elseif n == "#" then
		return { { value.SOMETHING } }
	end
	return {}, value.any
end

builtin.rawset = function(E, args, more, node)
	for _, atom in ipairs(arg(args, more, 1)) do
		if atom.kind == "table" then
			ops.set_field(E, atom, value.constant(arg(args, more, 2)), arg(args, more, 3), node)
		end
	end
	return { arg(args, more, 1) }
end

-- ---- functions that are called at once

local function calls_at(i, given)
	return function(E, args, more, node)
		local f = arg(args, more, i)
		local ran = ops.branch(E, function()
			for _, atom in ipairs(f) do
				if atom.kind == "fn" or atom.kind == "api" then
					ops.call_value(E, { atom }, given, nil, node)
				end
			end
		end)
		E.state:join { E.state:fork(), ran }
		return {}, value.any
	end
end
builtin["table.sort"] = function(E, args, more, node)
	E.run.changes = E.run.changes + 1
	return calls_at(2, { value.any, value.any })(E, args, more, node)
end
builtin["string.gsub"] = calls_at(3, { value.any })

-- ---- modules and the end

function builtin.require(E, args, more)
	local name = value.constant(arg(args, more, 1))
	if type(name) ~= "string" then
		return { value.any }
	end
	return { modules.require(E, name) or value.api(ops.module_path(name)) }
end

builtin["io.lines"] = function(E, args, more, node)
	if #args == 0 and not more then
		E.run:policy_finding("blocking-call", node, "io.lines() reads the standard input and blocks the event loop meanwhile")
	end
	return { value.any }
end

return builtin
