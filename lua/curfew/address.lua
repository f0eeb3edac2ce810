-- address.lua: where a server listens, or where one is to be asked.
local misuse = require "curfew.misuse"

local PATH_MAX = 107 -- sun_path with its NUL

local EXAMPLES = 'an address such as "127.0.0.1:8080", "[::1]:80" or "unix:/run/web.sock"'

local function fail(what, path, fmt, ...)
	misuse.raise(path and what .. ": " .. path or what, fmt, ...)
end

local function unix(v, what, path)
	local name = string.sub(v, 6)
	if name == "" or string.find(name, "\0", 1, true) then
		fail(what, path, 'expected a path after "unix:", got %s', misuse.show(v))
	elseif #name > PATH_MAX then
		fail(what, path, "the path of a Unix socket has at most %d bytes, this one has %d", PATH_MAX, #name)
	end
	return v
end

-- lowest: 0 for an address to listen at, 1 for one to connect to.
local function inet(v, what, path, lowest)
	local host, port = string.match(v, "^%[([%x:.%%%w]+)%]:(%d+)$")
	if not host then
		host, port = string.match(v, "^([^:%[%]%s%c/]*):(%d+)$")
	end
	if not host then
		if string.find(v, "^[%x:.]+$") and select(2, string.gsub(v, ":", "")) > 1 then
			fail(what, path, 'an IPv6 address is written in brackets, with a port: "[::1]:80", got %s', misuse.show(v))
		elseif string.find(v, "^[^:%s%c/]+$") or string.find(v, "^%[[%x:.]+%]$") then
			fail(what, path, "%s has no port: expected %s", misuse.show(v), EXAMPLES)
		end
		fail(what, path, "expected %s, got %s", EXAMPLES, misuse.show(v))
	elseif host == "" and lowest > 0 then -- to listen at, it means all interfaces
		fail(what, path, '%s has no host: expected "127.0.0.1%s"', misuse.show(v), v)
	end
	local number = #port <= 5 and tonumber(port) or math.huge
	if number > 65535 or number < lowest then
		fail(what, path, "the port of %s is not within %d to 65535", misuse.show(v), lowest)
	end
	return v
end

local function address(lowest)
	return function(v, what, path)
		if type(v) ~= "string" then
			misuse.expected(path and what .. ": " .. path or what, EXAMPLES, v)
		end
		if lowest == 0 and string.find(v, "^systemd:[^%c:]+$") then -- a socket that was passed, by its name
			return v
		elseif string.find(v, "^unix:") then
			return unix(v, what, path)
		end
		return inet(v, what, path, lowest)
	end
end

return {
	EXAMPLES = EXAMPLES,
	listen = address(0),
	peer = address(1),
}
