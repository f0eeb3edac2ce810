-- routes.lua: the keys of an HTTP server's routes, "GET /users/:id".
local misuse = require "curfew.misuse"

local METHODS = { "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "ANY" }
local VALID = {}
for _, method in ipairs(METHODS) do
	VALID[method] = true
end

local EXPECTED = 'expected "METHOD /path" such as "GET /users/:id"'

local function fail(what, path, fmt, ...)
	misuse.raise(path and what .. ": " .. path or what, fmt, ...)
end

-- The route with its captures' names taken out: two routes that match the same have the same.
local function shape(key, route, what, path)
	local seen, out = {}, {}
	for segment, at in string.gmatch(route, "/([^/]*)()") do
		local name = string.match(segment, "^:(.*)$")
		if name then
			if not string.find(name, "^[%a_][%w_]*$") then
				fail(what, path, '%s: expected a name after ":", got %s', misuse.show(key), misuse.show(segment))
			elseif seen[name] then
				fail(what, path, '%s: ":%s" is there twice', misuse.show(key), name)
			end
			seen[name] = true
			segment = ":"
		elseif string.find(segment, "*", 1, true) and (segment ~= "*" or at <= #route) then
			fail(what, path, '%s: "*" can only be the last segment, as in "GET /files/*"', misuse.show(key))
		end
		out[#out + 1] = segment
	end
	return table.concat(out, "/")
end

local function check_key(key, what, path)
	if type(key) ~= "string" then
		fail(what, path, "%s, got %s", EXPECTED, misuse.show(key))
	end
	local method, route = string.match(key, "^(%S+) (/%S*)$")
	if not method then
		if string.find(key, "^%S+%s+/%S*%s*$") then
			fail(what, path, "%s: one space between method and path, none around, got %s", EXPECTED, misuse.show(key))
		end
		fail(what, path, "%s, got %s", EXPECTED, misuse.show(key))
	elseif not VALID[method] then
		fail(what, path, "%s: unknown method %s%s", misuse.show(key), misuse.show(method), misuse.suggest(method, METHODS))
	elseif string.find(route, "[?#]") then
		fail(what, path, "%s: a route is a path, the query is in req.query", misuse.show(key))
	end
	return method .. " " .. shape(key, route, what, path)
end

return function(v, what, path)
	if type(v) ~= "table" then
		misuse.expected(path and what .. ": " .. path or what, 'a table such as { ["GET /"] = function(req, res) … end }', v)
	end
	local out, shapes = {}, {}
	for key, handler in pairs(v) do
		local form = check_key(key, what, path)
		local other = shapes[form]
		if other then
			local a, b = misuse.show(other < key and other or key), misuse.show(other < key and key or other)
			fail(what, path, "%s and %s match the same requests", a, b)
		end
		shapes[form] = key
		if type(handler) ~= "function" then
			fail(what, path, "%s: expected a function, got %s", misuse.show(key), misuse.show(handler))
		end
		out[key] = handler
	end
	return out
end
