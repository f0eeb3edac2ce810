-- stubs.lua: the test's answers to what a policy asks of the system: exec, fetch, fs.
local misuse = require "curfew.misuse"
local units = require "curfew.units"

local stubs = {}

local function seconds(ns)
	return ns and ns / 1e9
end

-- ---- files, in a table of the test's

local fs = {}

local function missing(path)
	return nil, path .. ": No such file or directory", "ENOENT"
end

local function is_folder(files, path)
	local prefix = path:gsub("/*$", "") .. "/"
	for name in pairs(files) do
		if name:sub(1, #prefix) == prefix then
			return true
		end
	end
	return false
end

fs["fs.exists"] = function(files, args)
	return files[args.path] ~= nil or is_folder(files, args.path)
end

fs["fs.stat"] = function(files, args)
	local data = files[args.path]
	if data ~= nil then
		return { type = "file", size = #data, mtime = 0, mode = 420 }
	elseif is_folder(files, args.path) then
		return { type = "directory", size = 0, mtime = 0, mode = 493 }
	end
	return missing(args.path)
end

fs["fs.read"] = function(files, args)
	local data = files[args.path]
	if data == nil then
		return missing(args.path)
	elseif args.max and #data > args.max then
		return nil, ("%s has more than %d bytes"):format(args.path, args.max), "EFBIG"
	end
	return data
end

fs["fs.write"] = function(files, args)
	files[args.path] = (args.append and files[args.path] or "") .. args.data
	return true
end

fs["fs.rename"] = function(files, args)
	if files[args.from] == nil then
		return missing(args.from)
	end
	files[args.to], files[args.from] = files[args.from], nil
	return true
end

fs["fs.remove"] = function(files, args)
	if files[args.path] == nil then
		return missing(args.path)
	end
	files[args.path] = nil
	return true
end

-- ---- exec and fetch: a function of the test's, or what it always answers

local ask = {}

function ask.exec(stub, args)
	local spec = table.move(args.command, 1, #args.command, 1, {})
	spec.env, spec.cwd, spec.stdin, spec.user, spec.timeout = args.env, args.cwd, args.stdin, args.user, seconds(args.timeout)
	return stub(spec)
end

function ask.fetch(stub, args)
	return stub(args.url, { method = args.method, headers = args.headers, body = args.body, unix = args.unix,
		timeout = seconds(args.timeout) })
end

local complete = {}

function complete.exec(value)
	return { code = not value.signal and (value.code or 0) or nil, signal = value.signal, stdout = value.stdout or "",
		stderr = value.stderr or "" }
end

function complete.fetch(value)
	return { status = value.status or 200, headers = value.headers or {}, body = value.body or "" }
end

function stubs.check(what, stub)
	if type(stub) ~= "function" and type(stub) ~= "table" then
		misuse.expected(what, "a function, or a table with what it always answers", stub)
	end
	return stub
end

function stubs.check_files(what, files)
	if type(files) ~= "table" then
		misuse.expected(what, 'a table such as { ["/etc/name"] = "contents" }', files)
	end
	for path, data in pairs(files) do
		if type(path) ~= "string" or type(data) ~= "string" then
			misuse.expected(what, "the contents of files, as strings, by their paths", type(path) ~= "string" and path or data)
		end
	end
	return files
end

local function call(stub, service, args)
	if type(stub) == "table" then
		return stub
	end
	return ask[service](stub, args)
end

local function describe(question)
	local args = question.args
	if question.service == "exec" then
		local words = {}
		for i, word in ipairs(args.command) do
			words[i] = misuse.show(word)
		end
		return "curfew.exec { " .. table.concat(words, ", ") .. " }"
	end
	return ("curfew.%s(%s)"):format(question.service, misuse.show(args.url or args.path or args.from))
end

-- What C is told: { id =, value =, error =, code =, takes = }.
local function packed(id, takes, value, message, code)
	if value == nil then
		return { id = id, error = tostring(message or "failed"), code = code, takes = takes }
	end
	return { id = id, value = value, takes = takes }
end

local function unanswered(run, question, stub)
	local text = ("the policy asks for %s at %.9gs, and the test has no answer: %s"):format(describe(question), run.now, stub)
	run.on_failure(text)
	return { id = question.id, error = "the test has no answer", code = "ENOSYS" }
end

local HOW = {
	exec = 'run:exec(function(args) return { code = 0, stdout = "" } end)',
	fetch = 'run:fetch(function(url, opts) return { status = 200, body = "" } end)',
	fs = 'run:fs { ["/path"] = "contents" }',
}

local function period(value)
	if type(value) ~= "table" or value.takes == nil then
		return 0
	end
	return units.duration(value.takes) or misuse.expected("takes", units.DURATION, value.takes)
end

function stubs.answer(run, question)
	local service, id = question.service, question.id
	if fs[service] then
		if not run.stubs.fs then
			return unanswered(run, question, HOW.fs)
		end
		return packed(id, 0, fs[service](run.stubs.fs, question.args))
	end
	local stub = run.stubs[service]
	if not stub then
		return unanswered(run, question, HOW[service])
	end
	local value, message, code = call(stub, service, question.args)
	if value ~= nil and type(value) ~= "table" then
		misuse.expected("run:" .. service, "a table as the answer, or nil and a message", value)
	end
	return packed(id, period(value), value and complete[service](value), message, code)
end

return stubs
