#!/usr/bin/env lua5.4
-- S6.6: `curfew check` over the corpus: each `--> RULE` at the end of a line is a finding that must be there, and nothing else
-- may. Prints precision and recall.
local tap = dofile "t/lib/tap.lua"
local curfew = os.getenv "CURFEW" or "build/curfew"

local function lines_of(command)
	local pipe = assert(io.popen(command))
	local lines = {}
	for line in pipe:lines() do
		lines[#lines + 1] = line
	end
	return lines, select(3, pipe:close())
end

-- "line rule" -> true
local function expected_in(path)
	local want, n = {}, 0
	for line in io.lines(path) do
		n = n + 1
		for rule in (line:match "%-%->([%s%w,-]+)$" or ""):gmatch "[%w-]+" do
			want[n .. " " .. rule] = true
		end
	end
	return want
end

local function found_in(path)
	local got = {}
	local lines, code = lines_of(("%s check %s 2>&1"):format(curfew, path))
	for _, line in ipairs(lines) do
		local at, rule = line:match "^t/check/corpus/[^:]+:(%d+):%d+: .* %[([%w-]+)%]$"
		if at then
			got[at .. " " .. rule] = true
		end
	end
	return got, code
end

local function keys_not_in(a, b)
	local out = {}
	for key in pairs(a) do
		if not b[key] then
			out[#out + 1] = key
		end
	end
	table.sort(out)
	return out
end

local function count(t)
	local n = 0
	for _ in pairs(t) do
		n = n + 1
	end
	return n
end

local snippets, right, wrong, missed = 0, 0, 0, 0
for _, path in ipairs((lines_of "ls t/check/corpus/*.lua")) do
	local want = expected_in(path)
	local got, code = found_in(path)
	local more, less = keys_not_in(got, want), keys_not_in(want, got)
	snippets, right = snippets + 1, right + count(got) - #more
	wrong, missed = wrong + #more, missed + #less
	local name = path:match "([^/]+)%.lua$"
	if not tap.ok(#more + #less == 0 and code == (next(want) and 1 or 0), "S6.6: " .. name) then
		tap.diag("exit code %d; not expected: %s; missed: %s", code, table.concat(more, ", "), table.concat(less, ", "))
	end
end
tap.ok(snippets >= 80, ("the corpus has %d snippets"):format(snippets))
tap.ok(right > 60, ("and %d findings in them"):format(right))
tap.diag("precision %.1f %% (%d of %d reported), recall %.1f %% (%d of %d expected)", 100 * right / (right + wrong), right,
	right + wrong, 100 * right / (right + missed), right, right + missed)
tap.done()
