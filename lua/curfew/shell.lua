-- shell.lua: os.execute and io.popen as Lua's manual has them, but they wait in the loop instead of blocking it.
local c = require "curfew.core"
local misuse = require "curfew.misuse"
local metatable_of = debug.getmetatable -- beneath __metatable, which keeps a script away from it

local shell = {}

local function run(command, stdin)
	return c.service("exec", { command = { "/bin/sh", "-c", command }, stdin = stdin, env = require "curfew.exec".environment() })
end

-- true|nil, "exit"|"signal", number: how Lua tells the end of a command.
local function ending(result, message, code)
	if not result then
		return nil, message, code
	elseif result.signal then
		return nil, "signal", c.signal_number(result.signal) or result.signal
	end
	return result.code == 0 or nil, "exit", result.code
end

-- What a command prints that nobody reads goes where it would have gone.
local function pass_on(out, result)
	if result and result[out] and result[out] ~= "" then
		io[out]:write(result[out])
		io[out]:flush()
	end
end

-- os.execute([command])
function shell.execute(command)
	if command == nil then
		return true
	elseif type(command) ~= "string" then
		misuse.expected("os.execute", "a command as a string", command)
	end
	local result, message, code = run(command)
	pass_on("stdout", result)
	pass_on("stderr", result)
	return ending(result, message, code)
end

-- ---- io.popen

local Pipe = { __name = "curfew.pipe", __metatable = "curfew.pipe" }
Pipe.__index = Pipe

-- The command's whole output, once it has ended; nil, message, code when it could not be run.
local function output(self)
	if not self.result then
		local result, message, code = self.task:await()
		self.result = result or { stdout = "", code = 127 }
		self.failure = not result and { message, code } or nil
		pass_on("stderr", result)
	end
	return self.result.stdout
end

local readers = {}

function readers.l(text, at, keep)
	if at > #text then
		return nil, at
	end
	local stop = string.find(text, "\n", at, true)
	if not stop then
		return string.sub(text, at), #text + 1
	end
	return string.sub(text, at, keep and stop or stop - 1), stop + 1
end

function readers.L(text, at)
	return readers.l(text, at, true)
end

function readers.a(text, at)
	return string.sub(text, at), #text + 1
end

function readers.n(text, at)
	local word, stop = string.match(text, "^%s*([+-]?[%w.]+[+-]?%d*)()", at)
	local number = tonumber(word)
	return number, number and stop or at
end

local function read_count(text, at, n)
	if at > #text then
		return nil, at
	end
	return string.sub(text, at, at + n - 1), math.min(at + n, #text + 1)
end

local function read_one(self, format)
	local text = output(self)
	local value
	if math.type(format) == "integer" then
		value, self.at = read_count(text, self.at, format)
		return value
	end
	local reader = readers[string.match(tostring(format), "^%*?(.?)")]
	if not reader then
		misuse.raise("pipe:read", "invalid format %s", misuse.show(format))
	end
	value, self.at = reader(text, self.at)
	return value
end

local function check_open(self, method, mode)
	if metatable_of(self) ~= Pipe then
		misuse.raise("pipe:" .. method, "call it with a colon, pipe:%s(…), not with a dot", method)
	elseif self.closed then
		misuse.raise("pipe:" .. method, "the pipe is closed")
	elseif mode and self.mode ~= mode then
		return nil, "Bad file descriptor", 9
	end
	return true
end

function Pipe:read(...)
	local ok, message, code = check_open(self, "read", "r")
	if not ok then
		return nil, message, code
	end
	output(self)
	if self.failure then -- it could not be run: no end of a file
		return nil, table.unpack(self.failure, 1, 2)
	end
	local formats = select("#", ...) > 0 and { ... } or { "l" }
	local values, n = {}, #formats
	for i = 1, n do
		values[i] = read_one(self, formats[i])
		if values[i] == nil then
			return table.unpack(values, 1, i)
		end
	end
	return table.unpack(values, 1, n)
end

function Pipe:lines(...)
	check_open(self, "lines", "r")
	local formats = table.pack(...)
	return function()
		return self:read(table.unpack(formats, 1, formats.n))
	end
end

function Pipe:write(...)
	local ok, message, code = check_open(self, "write", "w")
	if not ok then
		return nil, message, code
	end
	for i = 1, select("#", ...) do
		local piece = select(i, ...)
		if type(piece) ~= "string" and type(piece) ~= "number" then
			misuse.expected("pipe:write", "a string", piece)
		end
		self.pieces[#self.pieces + 1] = tostring(piece)
	end
	return self
end

function Pipe:flush()
	check_open(self, "flush")
	return self
end

function Pipe:setvbuf()
	check_open(self, "setvbuf")
	return true
end

function Pipe:seek()
	check_open(self, "seek")
	return nil, "Illegal seek", 29
end

-- Waits for the command's end.
function Pipe:close()
	check_open(self, "close")
	self.closed = true
	if self.mode == "w" then
		local result, message, code = run(self.command, table.concat(self.pieces))
		pass_on("stdout", result)
		pass_on("stderr", result)
		return ending(result, message, code)
	end
	output(self)
	if self.failure then
		return nil, self.failure[1], self.failure[2]
	end
	return ending(self.result)
end

function Pipe.__close(self)
	if not self.closed then
		self:close()
	end
end

function Pipe.__tostring(self)
	return self.closed and "file (closed)" or "file (" .. self.command .. ")"
end

-- io.popen(command [, mode]): "r" runs at once and is read when it has ended, "w" runs at its close with what was written.
function shell.popen(command, mode)
	if type(command) ~= "string" then
		misuse.expected("io.popen", "a command as a string", command)
	end
	mode = mode or "r"
	if mode ~= "r" and mode ~= "w" then
		misuse.expected("io.popen", 'the mode "r" or "w"', mode)
	end
	local pipe = { command = command, mode = mode, at = 1, pieces = {} }
	if mode == "r" then
		pipe.task = c.spawn(run, command)
	end
	return setmetatable(pipe, Pipe)
end

return shell
