-- web.lua: req and res of an HTTP handler. A handler returns its reply, or sends it, now or later.
local exchange = require "curfew.exchange"
local headers = require "curfew.headers"
local log = require "curfew.log".log
local misuse = require "curfew.misuse"

local getinfo = debug.getinfo -- a script may take debug away

-- ---- res

local Res = { __name = "curfew.res", __metatable = "curfew.res" }
Res.__index = Res

local check_self = exchange.checker(Res, "res")
exchange.complete(Res, check_self)

-- Whose return value it is that is wrong; only a mistake is to pay for it.
local function handler_of(self)
	local at = getinfo(self.handler, "S")
	return string.format("handler of %s (%s, %s:%d)", self.server and self.server.name or "http", self.route or "no route",
		at.short_src, at.linedefined)
end

-- what: the function that is called wrongly; nil: the handler returned it.
local function check_status(self, what, status)
	local n = type(status) == "number" and math.tointeger(status)
	if not n or n < 200 or n > 599 then
		misuse.expected(what or handler_of(self), "a status from 200 to 599", status)
	end
	return n
end

local function check_body(self, what, body)
	if body == nil then
		return ""
	elseif type(body) ~= "string" and type(body) ~= "number" then
		misuse.expected(what or handler_of(self), "a body as a string", body)
	end
	return tostring(body)
end

local function check_unsent(self, what)
	if self.sent then
		misuse.raise(what, "the reply was sent already")
	end
end

-- What res:header collected, and those of this call over it.
local function merged(self, extra)
	local all = self.fields
	for name, value in pairs(extra) do
		local old = headers.find(all, name)
		if old then
			all[old] = nil
		end
		all[name] = value
	end
	return all
end

local function with_type(fields)
	if not headers.find(fields, "Content-Type") then
		fields["Content-Type"] = "text/plain; charset=utf-8"
	end
	return fields
end

local function send(self, what, status, body, extra)
	status = check_status(self, what, status or self.code)
	body = check_body(self, what, body)
	local fields = extra == nil and self.fields or merged(self, headers.type(extra, what or handler_of(self)))
	self.sent = true
	return self.x:reply(status, body ~= "" and with_type(fields) or fields, body)
end

-- res:send(status, body, headers), all at once; res:send(body) is status 200.
function Res:send(status, body, extra)
	check_self(self, "send")
	if type(status) == "string" then
		status, body, extra = nil, status, body
	end
	check_unsent(self, "res:send")
	return send(self, "res:send", status, body, extra)
end

-- The status that a later write, send or return takes when it names none.
function Res:status(code)
	check_self(self, "status")
	check_unsent(self, "res:status")
	self.code = check_status(self, "res:status", code)
	return self
end

function Res:header(name, value)
	check_self(self, "header")
	check_unsent(self, "res:header")
	headers.name(name, "res:header")
	if type(value) ~= "table" then
		value = headers.value(value, name, "res:header")
	end
	merged(self, headers.type({ [name] = value }, "res:header"))
	return self
end

local function begin(self)
	self.sent, self.streaming = true, true
	return self.x:begin(self.code, with_type(self.fields))
end

-- A reply in pieces. Waits when the client is slower than the writer.
function Res:write(data)
	check_self(self, "write")
	data = check_body(self, "res:write", data)
	if not self.streaming then
		check_unsent(self, "res:write")
		local ok, message, code = begin(self)
		if not ok then
			return nil, message, code
		end
	elseif self.finished then
		misuse.raise("res:write", "the reply was finished already")
	end
	return exchange.write(self, data)
end

-- The end of a reply in pieces; data is its last one.
function Res:finish(data)
	check_self(self, "finish")
	if self.finished then
		misuse.raise("res:finish", "the reply was finished already")
	elseif not self.streaming then
		check_unsent(self, "res:finish")
		self.finished = true
		return send(self, "res:finish", nil, data)
	elseif data ~= nil then
		local ok, message, code = self.x:write(check_body(self, "res:finish", data))
		if not ok then
			return nil, message, code
		end
	end
	self.finished = true
	return self.x:finish()
end

-- ---- req

local function unescape(s)
	return (string.gsub(string.gsub(s, "+", " "), "%%(%x%x)", function(hex)
		return string.char(tonumber(hex, 16))
	end))
end

-- The query as a table, the last of several values; made at first use.
local function parse_query(query)
	local args = {}
	for pair in string.gmatch(query or "", "[^&]+") do
		local name, value = string.match(pair, "^([^=]*)=?(.*)$")
		args[unescape(name)] = unescape(value)
	end
	return args
end

local Req = { __name = "curfew.req", __metatable = "curfew.req" }

function Req.__index(self, key)
	if key == "args" then
		local args = parse_query(rawget(self, "query"))
		rawset(self, "args", args)
		return args
	end
	return nil
end

-- req.headers["Content-Type"] finds "content-type".
local Fields = {
	__metatable = "curfew.req.headers",
	__index = function(self, name)
		return type(name) == "string" and rawget(self, string.lower(name)) or nil
	end,
}

local function request(x)
	local req = x:request()
	req.headers = setmetatable(req.headers or {}, Fields)
	return setmetatable(req, Req)
end

-- ---- the handler

-- return status, body, headers · return body [, headers] · return { status =, headers =, body = } · return nil, message
local function answer(res, first, second, third)
	if first == nil then
		if type(second) == "string" and not res.sent and not res.held then
			error(string.format("%s returned nil, %q", handler_of(res), second), 0)
		end
		return
	elseif res.sent then
		log.warn(handler_of(res) .. ": what it returned is dropped, its reply was sent already")
		return
	end
	if type(first) == "number" then
		send(res, nil, first, second, third)
	elseif type(first) == "string" then
		send(res, nil, nil, first, second)
	elseif type(first) == "table" then
		for key in pairs(first) do
			if key ~= "status" and key ~= "headers" and key ~= "body" then
				local near = misuse.suggest(key, { "status", "headers", "body" })
				misuse.raise(handler_of(res), "it returned a table with the unknown key %s%s", misuse.show(key), near)
			end
		end
		send(res, nil, first.status, first.body, first.headers)
	else
		misuse.expected(handler_of(res) .. " returned a wrong value",
			"a body, a status, or a table with status, headers and body", first)
	end
end

-- Runs as the body of a request's task; its end gives the exchange back.
return function(handler, x, server)
	local req = request(x)
	local res = setmetatable({
		x = x, code = 200, fields = {}, sent = false, queued = 0, held = false,
		handler = handler, server = server, route = req.route,
	}, Res)
	answer(res, handler(req, res))
end
