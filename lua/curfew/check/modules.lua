-- modules.lua: modules of the script's own, beside it: "app.store" is app/store.lua or app/store/init.lua in its directory.
local State = require "curfew.check.state"
local ops = require "curfew.check.ops"
local scope = require "curfew.check.scope"
local source = require "curfew.check.source"
local value = require "curfew.check.value"

local modules = {}

local MOST = 50

-- Each node says which file it is of; without: the one that is checked.
local function mark(node, of)
	node.source = of
	for i = 1, #node do
		if type(node[i]) == "table" then
			mark(node[i], of)
		end
	end
end

local function load_beside(path, name)
	if not name:find "^[%w_-][%w_.-]*$" or name:find "%.%." then
		return nil
	end
	local base = (path:match "^(.*/)" or "") .. name:gsub("%.", "/")
	for _, tail in ipairs { ".lua", "/init.lua" } do
		local file = base .. tail ~= path and io.open(base .. tail, "rb")
		if file then
			file:close()
			return source.load(base .. tail)
		end
	end
	return nil
end

-- Run its main chunk, once, in the state of whoever requires it first.
local function run_chunk(E, of)
	scope.resolve(of.tree)
	mark(of.tree, of)
	local inside = {
		run = E.run,
		ctx = {},
		state = E.state,
		frame = { cells = {}, declared = {}, made = {}, dots = {}, dots_more = value.any },
		returns = {},
		leaves = 0,
		breaks = 0,
		base = E.state,
	}
	ops.block(inside, of.tree)
	E.state.dead = nil
	local values = ops.merge_returns(inside.returns)
	return values[1] or value.any
end

-- Something is known of it: libraries, and what the command line names.
local function is_known(run, name)
	for path in pairs(run.apis) do
		if path:sub(1, #name + 1) == name .. "." then
			return true
		end
	end
	return false
end

-- What `require(name)` returns, or nil where there is no such file beside the script (or one that cannot be parsed).
function modules.require(E, name)
	local run = E.run
	local cell = run.modules[name]
	if cell == nil then
		local of = run.modules_n < MOST and not is_known(run, name) and load_beside(run.path, name)
		run.modules_n = run.modules_n + 1
		if not of then
			run.modules[name] = false
			return nil
		end
		cell = State.cell(name)
		run.modules[name] = cell
		E.state:set(cell, value.any) -- for those that require one another
		E.state:set(cell, run_chunk(E, of))
	end
	return cell and E.state:get(cell) or nil
end

return modules
