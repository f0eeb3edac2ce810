-- scope.lua: which declaration a name means. An Id gets .var, a declaration with .reads and .writes (after its first value);
-- .init, the expression of that value; none: a global. Functions get .fname, for messages.
local scope = {}

local walk

local function declare(names, id)
	local var = { name = id[1], reads = 0, writes = 0 }
	id.var = var
	names[id[1]] = var
	return var
end

local function inner(names)
	return setmetatable({}, { __index = names })
end

local function list(nodes, names, from)
	for i = from or 1, #nodes do
		walk(nodes[i], names)
	end
end

local function block(nodes, names)
	local own = inner(names)
	list(nodes, own)
	return own
end

local function dotted(node)
	if node.tag == "Id" then
		return node[1]
	elseif node.tag == "Index" and node[2].tag == "String" then
		local base = dotted(node[1])
		return base and base .. "." .. node[2][1]
	end
	return nil
end

local function name_function(target, f)
	if f and f.tag == "Function" and not f.fname then
		f.fname = target.tag == "String" and target[1] or dotted(target)
	end
end

local function assign(target, names)
	if target.tag == "Id" then
		target.var = names[target[1]]
		if target.var then
			target.var.writes = target.var.writes + 1
		end
	else
		walk(target, names)
	end
end

local tags = {}

function tags.Id(node, names)
	node.var = names[node[1]]
	if node.var then
		node.var.reads = node.var.reads + 1
	end
end

function tags.Function(node, names)
	local own = inner(names)
	for _, arg in ipairs(node[1]) do
		if arg.tag == "Id" then
			declare(own, arg)
		end
	end
	block(node[2], own)
end

function tags.Local(node, names)
	list(node[2] or {}, names)
	for i, id in ipairs(node[1]) do
		declare(names, id).init = node[2] and node[2][i] -- what it is while nothing is assigned
		name_function(id, node[2] and node[2][i])
	end
end

function tags.Localrec(node, names)
	declare(names, node[1][1])
	name_function(node[1][1], node[2][1])
	list(node[2], names)
end

function tags.Set(node, names)
	list(node[2], names)
	for i, target in ipairs(node[1]) do
		assign(target, names)
		name_function(target, node[2][i])
	end
end

function tags.OpSet(node, names)
	walk(node[3], names)
	walk(node[2], names)
	assign(node[2], names)
end

function tags.Pair(node, names)
	name_function(node[1], node[2])
	list(node, names)
end

function tags.Fornum(node, names)
	list({ table.unpack(node, 2, #node - 1) }, names)
	local own = inner(names)
	declare(own, node[1])
	block(node[#node], own)
end

function tags.Forin(node, names)
	list(node[2], names)
	local own = inner(names)
	for _, id in ipairs(node[1]) do
		declare(own, id)
	end
	block(node[3], own)
end

function tags.While(node, names)
	walk(node[1], names)
	block(node[2], names)
end

-- The condition sees the block's own names.
function tags.Repeat(node, names)
	walk(node[2], block(node[1], names))
end

function tags.If(node, names)
	for i = 1, #node do
		if not node[i].tag then
			block(node[i], names)
		else
			walk(node[i], names)
		end
	end
end

function tags.Do(node, names)
	block(node, names)
end

function tags.Op(node, names)
	list(node, names, 2)
end

local function leaf() end
for tag in ("String Number Nil True False Dots Break Goto Label"):gmatch "%a+" do
	tags[tag] = leaf
end

function walk(node, names)
	local handler = tags[node.tag]
	if handler then
		return handler(node, names)
	end
	list(node, names)
end

function scope.resolve(tree)
	block(tree, {})
end

return scope
