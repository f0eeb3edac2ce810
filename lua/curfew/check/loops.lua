-- loops.lua: rule busy-loop: a loop that neither waits nor ends. What happened while the body was run once tells.
local ops = require "curfew.check.ops"
local value = require "curfew.check.value"

local loops = {}

-- A break of this loop itself.
function loops.has_break(nodes)
	for _, node in ipairs(nodes) do
		if type(node) == "table" then
			local tag = node.tag
			if tag == "Break" then
				return true
			elseif tag ~= "While" and tag ~= "Repeat" and tag ~= "Fornum" and tag ~= "Forin" and tag ~= "Function" then
				if loops.has_break(node) then
					return true
				end
			end
		end
	end
	return false
end

-- How often `for i = a, b, c` turns; 1 where it is not known, math.huge without end.
function loops.turns(bounds)
	local from, to, by = value.constant(bounds[1]), value.constant(bounds[2]), value.constant(bounds[3] or value.none)
	if #bounds[2] == 1 and bounds[2][1].path == "math.huge" then
		return math.huge
	end
	by = bounds[3] == nil and 1 or by
	if type(from) ~= "number" or type(to) ~= "number" or type(by) ~= "number" or by == 0 then
		return 1
	end
	return math.max(0, (to - from) // by + 1)
end

local CLOCKS = { ["os.time"] = true, ["os.clock"] = true, ["curfew.now"] = true }

-- What a condition looks at: cells that could change; false when something else may decide.
local function watched(E, node, cells)
	if type(node) ~= "table" then
		return true
	elseif node.tag == "Id" then
		local cell = ops.cell_of_id(E, node)
		if cell then
			cells[#cells + 1] = cell
		end
		return true
	elseif node.tag == "Call" then
		local callee = ops.eval(E, node[1])
		local known = #callee == 1 and callee[1].kind == "api" and CLOCKS[callee[1].path]
		return known or false
	elseif node.tag == "Invoke" or node.tag == "Function" then
		return false
	elseif node.tag == "Index" and node[2].tag == "String" then
		for _, atom in ipairs(ops.eval(E, node[1])) do
			if atom.kind == "table" and atom.fields[node[2][1]] then
				cells[#cells + 1] = atom.fields[node[2][1]]
			end
		end
	end
	for i = 1, #node do
		if not watched(E, node[i], cells) then
			return false
		end
	end
	return true
end

local function condition(node)
	if node.tag == "While" then
		return node[1]
	elseif node.tag == "Repeat" then
		return node[2]
	end
	return nil
end

local function turn_count(E, node)
	if node.tag ~= "Fornum" then
		return 1
	end
	local bounds = {}
	for i = 2, #node - 1 do
		bounds[i - 1] = ops.eval(E, node[i])
	end
	return loops.turns(bounds)
end

-- nil where the loop ends by itself.
function loops.begin(E, node)
	if not E.run.policy then
		return nil
	end
	local test = condition(node)
	local cells = {}
	if test then
		if not watched(E, test, cells) then
			return nil
		end
	elseif turn_count(E, node) < math.huge then
		return nil
	end
	local run = E.run
	local watch = { cells = cells, unknown = run.unknown, waits = run.waits, ends = run.ends, changes = run.changes }
	watch.leaves, watch.breaks = E.leaves, E.breaks
	for i, cell in ipairs(cells) do
		watch[i] = cell.writes
	end
	return watch
end

function loops.finish(E, node, watch)
	local run = E.run
	if not watch or run.unknown > watch.unknown or run.waits > watch.waits then
		return
	elseif run.ends > watch.ends or run.changes > watch.changes then
		return
	elseif E.leaves > watch.leaves or E.breaks > watch.breaks then
		return
	end
	for i, cell in ipairs(watch.cells) do
		if cell.writes > watch[i] then
			return
		end
	end
	run:policy_finding("busy-loop", node, "this loop neither waits nor ends: nothing else runs meanwhile")
end

return loops
