-- servers.lua: curfew.http, tcp, process and server, and the handles they return. A handle is a name for an id of the core, one
-- table an id; whatever may change is asked of the core at each use.
local c = require "curfew.core"
local misuse = require "curfew.misuse"

local servers = {}
local ids = {} -- handle -> id
local handles = {} -- id -> handle
local fixed = {} -- id -> { name =, kind = }: known even when the server is gone

local methods = {}
local FIELDS = { "name", "kind", "state", "address", "pid" }
local LIVE = { state = true, address = true, pid = true }

local function members()
	local names = table.move(FIELDS, 1, #FIELDS, 1, {})
	for name in pairs(methods) do
		names[#names + 1] = name
	end
	return names
end

local meta = { __name = "curfew.server", __metatable = "curfew.server" }

function meta.__index(self, key)
	local method = methods[key]
	if method then
		return method
	end
	local id = ids[self]
	if LIVE[key] then
		local info = c.server_info(id)
		return info and info[key]
	elseif key == "name" or key == "kind" then
		return fixed[id][key]
	end
	return misuse.raise("server " .. fixed[id].name, "unknown name %s%s", misuse.show(key), misuse.suggest(key, members()))
end

function meta.__newindex(self, key)
	misuse.raise("server " .. fixed[ids[self]].name, "%s cannot be set: a server is what its definition says", misuse.show(key))
end

function meta.__tostring(self)
	return "curfew.server: " .. fixed[ids[self]].name
end

-- The one handle of an id; info where the caller has it already. nil for an id that was never seen and is gone.
function servers.handle(id, info)
	local handle = handles[id]
	if not handle then
		info = info or c.server_info(id)
		if not info then
			return nil
		end
		handle = setmetatable({}, meta)
		ids[handle], handles[id], fixed[id] = id, handle, { name = info.name, kind = info.kind }
	end
	return handle
end

-- The id behind self of a method; raises when it was called with a dot.
local function self_id(self, method)
	local id = ids[self]
	if not id then
		misuse.raise("server:" .. method, "call it with a colon, web:%s(…), not with a dot", method)
	end
	return id
end
servers.self_id = self_id

-- The name of a handle, or a string itself; nil for anything else.
function servers.name_of(v)
	if ids[v] then
		return fixed[ids[v]].name
	end
	return type(v) == "string" and v or nil
end

function servers.names()
	local names = {}
	for _, info in pairs(fixed) do
		names[#names + 1] = info.name
	end
	return names
end

-- ---- making them

local function make(kind)
	local what = "curfew." .. kind
	return function(def)
		local full = require "curfew.kinds"[kind](def, what)
		full.kind = kind
		local id, message, code = misuse.result(what, c.server_new(full))
		if not id then
			return nil, message, code
		end
		return servers.handle(id, full)
	end
end

servers.http = make "http"
servers.tcp = make "tcp"
servers.process = make "process"
servers.server = make "server"

-- The handle of a server by its name, also of one that no script made; nil when there is none.
function servers.find(name)
	if type(name) ~= "string" then
		misuse.expected("curfew.find", "the name of a server", name)
	end
	local id = c.server_find(name)
	return id and servers.handle(id) or nil
end

-- ---- methods

local function after_one(id, other)
	local on = ids[other]
	if not on then
		local name = require "curfew.kinds".types.server_name(other, "server:after")
		on = c.server_find(name)
	end
	return misuse.result("server:after", c.server_after(id, on))
end

-- db:after(a, "b") or db:after { a, "b" }: starts after them, stops before them.
function methods:after(...)
	local id = self_id(self, "after")
	local list = { ... }
	if #list == 1 and type(list[1]) == "table" and not ids[list[1]] then
		list = list[1]
	end
	if #list == 0 then
		misuse.raise("server:after", "expected a server or its name")
	end
	for i = 1, #list do
		local ok, message, code = after_one(id, list[i])
		if not ok then
			return nil, message, code
		end
	end
	return self
end

for _, phase in ipairs { "pre_start", "post_start", "pre_stop", "post_stop" } do
	methods[phase] = function(self, f, opts)
		local id = self_id(self, phase)
		local ok, message, code = require "curfew.hooks".add("server:" .. phase, id, phase, f, opts)
		if not ok then
			return nil, message, code
		end
		return self
	end
end

for _, verb in ipairs { "start", "stop", "restart" } do
	methods[verb] = function(self, callback)
		local id = self_id(self, verb)
		return require "curfew.async".request("server:" .. verb, "server_" .. verb, id, nil, callback)
	end
end

-- Counters of its kind: { requests =, … }.
function methods:stats()
	local info, message, code = c.server_info(self_id(self, "stats"), true)
	if not info then
		return nil, message, code
	end
	return info.stats or {}
end

return servers
