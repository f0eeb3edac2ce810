-- machine.lua: the run of one file: the main script, then what it registered, round by round.
local State = require "curfew.check.state"
local apis = require "curfew.check.apis"
local findings = require "curfew.check.findings"
local ops = require "curfew.check.ops"
local others = require "curfew.check.others"
local scope = require "curfew.check.scope"
local value = require "curfew.check.value"

require "curfew.check.expr"
require "curfew.check.refine"
require "curfew.check.call"
require "curfew.check.stmt"
require "curfew.check.api"

local Run = {}
Run.__index = Run

local STEPS = 4000000
local SECONDS = 15 -- of CPU time
local ROUNDS = 2 -- the second one sees what the callbacks of the first assigned
local EXIT_TIMEOUT = 5000000000

-- A finding of the rules for policies, once the file is one.
function Run:policy_finding(rule, node, message, path)
	if self.policy then
		self.findings:add(rule, node, message, { path = path })
	end
end

-- ---- which libraries a file uses

local function each_node(node, f)
	f(node)
	for i = 1, #node do
		if type(node[i]) == "table" then
			each_node(node[i], f)
		end
	end
end

local function used_names(tree)
	local required, globals = {}, {}
	each_node(tree, function(node)
		if node.tag == "Call" and node[1].tag == "Id" and node[1][1] == "require" and node[2] and node[2].tag == "String" then
			required[node[2][1]] = true
		elseif node.tag == "Id" and not node.var then
			globals[node[1]] = true
		end
	end)
	return required, globals
end

local function uses(library, required, globals)
	for _, name in ipairs(library.requires or {}) do
		if required[name] then
			return true
		end
	end
	return library.global and globals[library.global] or false
end

local function add_rows(self, rows)
	for name, row in pairs(rows) do
		self.apis[name] = row
	end
end

local function choose_apis(self, tree, extra)
	local required, globals = used_names(tree)
	self.policy = required.curfew or false
	add_rows(self, apis.lua)
	add_rows(self, apis.curfew)
	for _, library in ipairs(others.libraries) do
		if uses(library, required, globals) then
			add_rows(self, library.apis)
			self.serves_all = self.serves_all or (library.main and not self.policy)
		end
	end
	-- What the command line says is added to what is known of the same name.
	for name, row in pairs(extra) do
		self.apis[name] = setmetatable(row, { __index = self.apis[name] or nil })
	end
end

-- ---- running

local function environment(self, state, ctx, frame)
	local E = { run = self, state = state, ctx = ctx, frame = frame, returns = {}, leaves = 0, breaks = 0 }
	E.base = state
	return E
end

local function restart(self)
	self.memo, self.active, self.depth = {}, {}, 0
end

local function prepare(self, ctx)
	if ctx.hook then
		ctx.hook.limit = self.exit_timeout
		if ctx.hook.own and ctx.hook.limit and ctx.hook.own < ctx.hook.limit then
			ctx.hook.limit = nil -- cut by its own limit before
		end
	end
end

local function run_entry(self, entry)
	restart(self)
	prepare(self, entry.ctx)
	local E = environment(self, entry.state:fork(), entry.ctx, { cells = {}, declared = {}, made = {} })
	ops.call_value(E, { entry.fn }, entry.args, entry.more, entry.fn.kind ~= "fn" and entry.ctx.trace.node or nil, entry.ctx)
end

-- What is in the queue, and what that queues. An entry's like (function, behalf) is not run for ever: callbacks that register
-- themselves again.
local function drain(self)
	local counts, of_nodes = {}, {}
	local at = 1
	while self.queue[at] do
		local entry = self.queue[at]
		at = at + 1
		local ctx = entry.ctx
		local kind = (ctx.root and ctx.root.label or ctx.phase or "-") .. (ctx.async or "")
		local of = counts[entry.fn] or {}
		local node = entry.fn.node or entry.fn
		counts[entry.fn] = of
		of[kind] = (of[kind] or 0) + 1
		of_nodes[node] = (of_nodes[node] or 0) + 1
		if of[kind] <= 3 and of_nodes[node] <= 60 then
			run_entry(self, entry)
		end
	end
	return at - 1
end

-- The functions of a table that the file returns, or makes global, serve requests (OpenResty).
local function serve_returned(E)
	for _, r in ipairs(E.returns) do
		for _, t in ipairs(r.values[1] or {}) do
			for _, fn in ipairs(t.kind == "table" and ops.all_fields(E, t) or {}) do
				if fn.kind == "fn" then
					ops.serve(E, fn, "a handler, a function that this module returns", false, fn.node)
				end
			end
		end
	end
end

-- Functions that nothing here calls: for the rules that need no handler. Not under a handler of this file.
local function run_rest(self, state)
	local i = 1
	restart(self)
	while self.closures[i] do
		local fn = self.closures[i]
		i = i + 1
		if not self.entered[fn.node] then
			local E = environment(self, state:fork(), {}, fn.frame)
			ops.call_value(E, { fn }, {}, value.any, nil, {})
		end
	end
end

local function run_all(self)
	local root = State.new()
	local ctx = {}
	if self.serves_all then
		local label = "the handler that this file is"
		ctx = { root = { label = label }, trace = { node = self.tree_node, text = label } }
	end
	restart(self)
	local E = environment(self, root:fork(), ctx, { cells = {}, declared = {}, made = {}, dots = {}, dots_more = value.any })
	ops.block(E, self.tree)
	E.state.dead = nil
	for _, f in ipairs(self.at_end) do
		f(E)
	end
	if self.serves_all then
		serve_returned(E)
	end
	local first = table.move(self.queue, 1, #self.queue, 1, {})
	for _ = 1, ROUNDS do
		self.queue = table.move(first, 1, #first, 1, {})
		drain(self)
	end
	if self.policy then
		self.queue = {}
		run_rest(self, E.state:snapshot())
		drain(self)
	end
end

-- The findings of one source, how many were silenced, and why not all of it was followed: { partly = text } where that is all,
-- { failed = text }, { syntax = text } as Lua says it, or nil. extra: rows as in apis.lua.
return function(source, extra)
	scope.resolve(source.tree)
	local self = setmetatable({
		findings = findings.new(source),
		apis = {},
		globals = {},
		api_fields = {},
		modules = {},
		modules_n = 0,
		path = source.path,
		queue = {},
		at_end = {},
		closures = {},
		entered = {},
		exit_timeout = EXIT_TIMEOUT,
		tree = source.tree,
		tree_node = source.tree[1] or { line = 1, offset = 1, end_offset = 1 },
		steps = 0,
		most_steps = STEPS,
		until_clock = os.clock() + SECONDS,
		exhausted = {},
		unknown = 0,
		waits = 0,
		ends = 0,
		changes = 0,
	}, Run)
	choose_apis(self, source.tree, extra or {})
	local wrong = self.policy and source:syntax_error()
	if wrong then
		return {}, 0, { syntax = wrong }
	end
	local ok, why = xpcall(run_all, function(e)
		return (e == self.exhausted or type(e) ~= "string") and e or debug.traceback(e, 2)
	end, self)
	local found, silenced = self.findings:finish()
	if ok then
		return found, silenced, nil
	elseif why == self.exhausted then
		return found, silenced, { partly = "it was not followed to its end: more may be wrong in it" }
	end
	return found, silenced, { failed = tostring(why) }
end
