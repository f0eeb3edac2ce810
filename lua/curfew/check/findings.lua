-- findings.lua: what was found in one file: rules, places, paths, silencing.
local findings = {}
findings.__index = findings

-- In the order of the documentation. level is SARIF's.
findings.rules = {
	{
		id = "server-crash",
		level = "error",
		short = "An error in an asynchronous callback of a request handler is not caught",
		help = "In a bare event loop it ends the process: whoever can send the request can take the server down. Wrap what "
			.. "the callback does in pcall or xpcall and reply with an error, or wait instead of passing a callback.",
	},
	{
		id = "hook-too-long",
		level = "warning",
		short = "A hook can wait longer than the exit timeout",
		help = "At the margin before the exit timeout the hook is cut off, and the exit code is 255. Wait shorter, raise "
			.. "exit_timeout, or have the hook ask for more with ctx:extend.",
	},
	{
		id = "busy-loop",
		level = "warning",
		short = "A loop that neither waits nor ends",
		help = "While it runs nothing else does; it is cut off at hook_cpu_limit. Wait for an event, or sleep.",
	},
	{
		id = "blocking-call",
		level = "warning",
		short = "A call that blocks the event loop",
		help = "While it blocks no request is served and no signal is handled. Use what waits: curfew.fetch, curfew.exec, curfew.fs, "
			.. "curfew.sleep.",
	},
	{
		id = "unknown-trigger",
		level = "error",
		short = "A rule for a trigger that there is not",
		help = 'The policy would not load. A trigger of your own is written "custom:NAME".',
	},
	{
		id = "decision-unused",
		level = "warning",
		short = "A decision is built and not returned",
		help = "A decision does nothing by itself: a rule returns it.",
	},
	{
		id = "pre-stop-exit-0",
		level = "warning",
		short = "A pre_stop hook exits with 0",
		help = "It completes the hook as a success, and nothing after it in the hook runs. Return instead; exit with another "
			.. "code to abort.",
	},
}

local by_id = {}
for i, rule in ipairs(findings.rules) do
	rule.index = i - 1
	by_id[rule.id] = rule
end

function findings.rule(id)
	return by_id[id]
end

function findings.new(source)
	return setmetatable({ source = source, by_place = {}, list = {} }, findings)
end

-- more: path, a list of { node =, text = } from the finding to the handler; task: it counts unless that is awaited.
function findings:add(rule, node, message, more)
	local at = self.by_place[node] or {}
	self.by_place[node] = at
	local known = at[rule]
	if known then
		known.ways[#known.ways + 1] = { message = message, path = more and more.path, task = more and more.task }
		return
	end
	local source = node.source or self.source
	local line, column, last_line, last_column = source:place(node)
	known = {
		rule = rule,
		source = source,
		file = source.path,
		line = line,
		column = column,
		last_line = last_line,
		last_column = last_column,
		ways = { { message = message, path = more and more.path, task = more and more.task } },
	}
	at[rule] = known
	self.list[#self.list + 1] = known
end

local function before(a, b)
	if a.file ~= b.file then
		return a.file < b.file
	elseif a.line ~= b.line then
		return a.line < b.line
	elseif a.column ~= b.column then
		return a.column < b.column
	end
	return a.rule < b.rule
end

-- Those that hold and that no comment silences, in order of place; and how many were silenced.
function findings:finish()
	local out, silent = {}, 0
	for _, f in ipairs(self.list) do
		local way
		for _, w in ipairs(f.ways) do
			if not (w.task and w.task.awaited) then
				way = w
				break
			end
		end
		if way and f.source:silences(f.line, f.rule) then
			silent = silent + 1
		elseif way then
			f.message, f.path = way.message, {}
			for _, step in ipairs(way.path or {}) do
				local source = step.node.source or self.source
				local line, column, last_line, last_column = source:place(step.node)
				f.path[#f.path + 1] = {
					source = source,
					file = source.path,
					line = line,
					column = column,
					last_line = last_line,
					last_column = last_column,
					text = step.text,
				}
			end
			f.ways = nil
			out[#out + 1] = f
		end
	end
	table.sort(out, before)
	return out, silent
end

return findings
