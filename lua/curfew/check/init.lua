-- curfew.check: the command: argv to an exit code. 0: nothing found; 1: findings; 2: bad usage, or a file that cannot be
-- read or parsed.
local options = require "curfew.check.options"
local output = require "curfew.check.output"

local function analyse(path, extra)
	local source, message = require "curfew.check.source".load(path)
	if not source then
		return nil, message
	end
	local found, silenced, trouble = require "curfew.check.machine"(source, extra)
	if trouble and trouble.syntax then
		return nil, trouble.syntax
	elseif trouble and trouble.failed then
		return nil, path .. ": cannot be checked: " .. trouble.failed
	elseif trouble then
		io.stderr:write("curfew check: warning: ", path, ": ", trouble.partly, "\n")
	end
	return { source = source, findings = found, silenced = silenced }
end

-- What was found in a module is told once, whichever scripts require it.
local function keep_new(report, seen)
	local new = {}
	for _, f in ipairs(report.findings) do
		local key = ("%s:%d:%d:%s"):format(f.file, f.line, f.column, f.rule)
		if not seen[key] then
			seen[key] = true
			new[#new + 1] = f
		end
	end
	report.findings = new
end

local function put(text)
	local ok, message = io.stdout:write(text)
	if ok then
		ok, message = io.stdout:flush()
	end
	if not ok then
		io.stderr:write("curfew check: standard output: ", message, "\n")
	end
	return ok
end

local function render(format, reports, version)
	if format == "sarif" then
		return require "curfew.check.sarif"(reports, version)
	elseif format == "json" then
		return output.json(reports, version)
	end
	return output.text(reports)
end

return function(version, ...)
	local asked, message = options.parse { ... }
	if not asked then
		io.stderr:write("curfew check: ", message, "\n`curfew help check` says more\n")
		return 2
	end
	local reports, found, failed = {}, 0, false
	local seen = {}
	for _, path in ipairs(asked.files) do
		local report, why = analyse(path, asked.apis)
		if report then
			keep_new(report, seen)
			reports[#reports + 1] = report
			found = found + #report.findings
		else
			failed = true
			io.stderr:write("curfew check: ", why, "\n")
		end
	end
	if not put(render(asked.format, reports, version)) or failed then
		return 2
	end
	return found > 0 and 1 or 0
end
