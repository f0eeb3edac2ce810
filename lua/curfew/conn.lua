-- conn.lua: a TCP connection as its handler sees it. It is closed when the handler has ended.
local misuse = require "curfew.misuse"
local async = require "curfew.async"
local exchange = require "curfew.exchange"

local LINE = 1048576 -- longest line that conn:lines takes

local Conn = { __name = "curfew.conn", __metatable = "curfew.conn" }
Conn.__index = Conn

local check_self = exchange.checker(Conn, "conn")
exchange.complete(Conn, check_self)

-- What conn:lines has read past the last line comes first.
local function read(self, max)
	local kept = self.kept
	if kept == "" then
		return self.x:read(max)
	end
	local n = max and max > 0 and max or #kept
	self.kept = string.sub(kept, n + 1)
	return string.sub(kept, 1, n)
end

-- The next bytes, at most max of them; nil at the end of input; nil, message, code when it broke.
function Conn:read(max, callback)
	check_self(self, "read")
	if type(max) == "function" then
		max, callback = nil, max
	end
	if max ~= nil then
		local n = type(max) == "number" and math.tointeger(max)
		if not n or n < 1 then
			misuse.expected("conn:read", "a number of bytes, 1 or more", max)
		end
		max = n
	end
	return async.call(misuse.callback("conn:read", callback), read, self, max)
end

-- for chunk in conn:chunks() do … end, until the end of input or an error.
function Conn:chunks()
	check_self(self, "chunks")
	return function()
		return (read(self))
	end
end

local function next_line(self)
	local pieces, size = {}, 0
	while true do
		local piece = read(self)
		if not piece then
			local rest = table.concat(pieces)
			return rest ~= "" and rest or nil
		end
		local stop = string.find(piece, "\n", 1, true)
		if stop then
			self.kept = string.sub(piece, stop + 1) .. self.kept
			pieces[#pieces + 1] = string.sub(piece, 1, stop - 1)
			return (string.gsub(table.concat(pieces), "\r$", ""))
		end
		pieces[#pieces + 1], size = piece, size + #piece
		if size > LINE then
			error(string.format("conn:lines: a line longer than %d bytes", LINE), 0)
		end
	end
end

-- for line in conn:lines() do … end; without the line's end, "\n" or "\r\n".
function Conn:lines()
	check_self(self, "lines")
	return next_line, self
end

local write = exchange.write

function Conn:write(...)
	check_self(self, "write")
	local n = select("#", ...)
	local callback = select(math.max(n, 1), ...)
	if type(callback) ~= "function" then
		callback = nil
	else
		n = n - 1
	end
	for i = 1, n do
		local data = select(i, ...)
		if type(data) ~= "string" and type(data) ~= "number" then
			misuse.expected("conn:write", "a string", data)
		end
	end
	if callback then
		return async.call(callback, write, self, table.unpack({ ... }, 1, n))
	end
	return write(self, ...)
end

-- Now, whatever is still queued.
function Conn:close()
	check_self(self, "close")
	self.x:close()
end

-- Runs as the body of a connection's task; its end gives the exchange back.
return function(handler, x)
	local request = x:request()
	handler(setmetatable({ x = x, peer = request.peer, kept = "", queued = 0 }, Conn))
end
