-- check.lua: what check.c and sarif.c call: curfew check without files, a clock or an output. Whatever breaks is an error.
local findings = require "curfew.check.findings"
local machine = require "curfew.check.machine"
local output = require "curfew.check.output"
local sarif = require "curfew.check.sarif"
local source = require "curfew.check.source"

local NAME = "input.lua"
local text

-- The analysis ends by its own limits, at the same point each time: the clock moves half a second a look.
local ticks = 0
rawset(os, "clock", function()
	ticks = ticks + 0.5
	return ticks
end)

rawset(io, "open", function(path)
	if path ~= NAME then
		return nil, path .. ": there is nothing but the input"
	end
	return {
		read = function()
			return text
		end,
		close = function() end,
	}
end)

local function place(at, lines, what)
	local good = math.type(at.line) == "integer" and at.line >= 1 and at.line <= lines
		and at.last_line >= at.line and at.last_line <= lines and at.column >= 1
		and (at.last_line > at.line or at.last_column >= at.column)
	if not good then
		error(("%s at %s:%s-%s:%s of %d lines"):format(what, at.line, at.column, at.last_line, at.last_column, lines))
	end
end

local function finding(f, lines)
	assert(findings.rule(f.rule), f.rule)
	assert(f.file == NAME and #f.message > 0)
	place(f, lines, f.rule)
	for _, step in ipairs(f.path) do
		place(step, lines, f.rule .. ": " .. step.text)
	end
end

-- It can be read, or a message says where it cannot.
local function load_input(input)
	text = input
	local of, message = source.load(NAME)
	if of then
		return of
	end
	local line = message:match "^input%.lua:(%d+):%d+: ."
	local _, ends = input:gsub("[\r\n]", "")
	local other = message:find "^input%.lua: bytecode" or message:find "^input%.lua: .*stack overflow"
	assert(line and tonumber(line) <= ends + 1 or other, message)
end

-- How much was found, and the three outputs; nothing where it is no Lua.
local function check(input)
	local of = load_input(input)
	if not of then
		return
	end
	local found, silenced, trouble = machine(of, { ["app.get"] = { handler = 2 }, [":on_data"] = { async = "fn" } })
	if trouble and trouble.failed then
		error(trouble.failed, 0)
	end
	if trouble and trouble.syntax then
		assert(trouble.syntax:find "^input%.lua:%d+: .", trouble.syntax)
	end
	for _, f in ipairs(found) do
		finding(f, #of.lines)
	end
	local reports = { { source = of, findings = found, silenced = silenced } }
	return #found, output.text(reports), output.json(reports, "1"), sarif(reports, "1")
end

-- A finding of whose texts the input decides, written: as JSON, as SARIF.
local function write(file, message, step)
	local at = { file = file, line = 1, column = 1, last_line = 1, last_column = 2, text = step, source = { lines = {} } }
	local f = { rule = "busy-loop", message = message, path = { at, at } }
	for _, key in ipairs { "file", "line", "column", "last_line", "last_column" } do
		f[key] = at[key]
	end
	local reports = { { source = { path = file }, findings = { f }, silenced = 0 } }
	return output.json(reports, "1"), sarif(reports, "1")
end

return { check = check, write = write }
