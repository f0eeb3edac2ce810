-- output.lua: findings as text for people and as JSON for programs. SARIF is in sarif.lua.
local json = require "curfew.check.json"

local output = {}

-- Control characters of a file do not reach a terminal.
local function plain(s)
	return (s:gsub("\t", "    "):gsub("%c", "?"))
end

-- The line, and carets under columns from..to (in characters; a tab is four wide here).
local function excerpt(out, source, place)
	local line = source:line(place.line)
	local last = place.last_line == place.line and place.last_column or math.huge
	local marks, column, before = {}, 0, ""
	for _, c in utf8.codes(utf8.len(line) and line or line:gsub("[\128-\255]", "?")) do
		column = column + 1
		local width = c == 9 and 4 or 1
		local inside = column >= place.column and column <= last
		before = before .. (" "):rep(width)
		marks[#marks + 1] = (inside and "^" or " "):rep(width)
	end
	out[#out + 1] = ("%6d | %s"):format(place.line, plain(line))
	local carets = table.concat(marks):gsub("%s+$", "")
	if carets:find "%^" then
		out[#out + 1] = "       | " .. carets
	end
end

local function count(n, word)
	return ("%d %s%s"):format(n, word, n == 1 and "" or "s")
end

-- reports: a list of { source =, findings =, silenced = }.
function output.text(reports)
	local out, total, silenced, files = {}, 0, 0, 0
	for _, report in ipairs(reports) do
		for _, f in ipairs(report.findings) do
			out[#out + 1] = ("%s:%d:%d: %s [%s]"):format(plain(f.file), f.line, f.column, plain(f.message), f.rule)
			excerpt(out, f.source, f)
			for i = 2, #f.path do
				local step = f.path[i]
				local how = i == #f.path and "in" or "from"
				local at = ("%s:%d:%d"):format(plain(step.file), step.line, step.column)
				out[#out + 1] = ("       %s %s: %s"):format(how, at, plain(step.text))
				if step.line ~= f.path[i - 1].line or step.file ~= f.path[i - 1].file then
					excerpt(out, step.source, { line = step.line, column = step.column, last_line = step.line, last_column = step.column })
				end
			end
			out[#out + 1] = ""
		end
		total, silenced, files = total + #report.findings, silenced + report.silenced, files + 1
	end
	local tail = silenced > 0 and (", %d silenced"):format(silenced) or ""
	out[#out + 1] = ("%s in %s%s"):format(count(total, "finding"), count(files, "file"), tail)
	return table.concat(out, "\n") .. "\n"
end

local function place(p)
	return { "line", p.line, "column", p.column, "last_line", p.last_line, "last_column", p.last_column }
end

local function with(list, more)
	return json.object(table.move(more, 1, #more, #list + 1, list))
end

function output.json(reports, version)
	local found, files, silenced = {}, {}, 0
	for _, report in ipairs(reports) do
		files[#files + 1] = report.source.path
		silenced = silenced + report.silenced
		for _, f in ipairs(report.findings) do
			local path = {}
			for _, step in ipairs(f.path) do
				path[#path + 1] = with({ "file", step.file }, table.move({ "text", step.text }, 1, 2, 9, place(step)))
			end
			local item = { "rule", f.rule, "file", f.file }
			table.move(place(f), 1, 8, 5, item)
			found[#found + 1] = with(item, { "message", f.message, "path", json.array(path) })
		end
	end
	return json.encode(json.object {
		"version", version, "files", json.array(files), "findings", json.array(found), "silenced", silenced,
	})
end

return output
