#!/usr/bin/env lua5.4
-- What `curfew check` knows about names is what curfew itself knows: triggers as in the core, signals as in the Lua layer; and
-- the modules that only check uses are not there for policies.
local tap = dofile "t/lib/tap.lua"
package.path = "lua/?.lua;lua/?/init.lua"
local names = require "curfew.check.names"
local curfew = os.getenv "CURFEW" or "build/curfew"

local function read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read "a"
	file:close()
	return text
end

local function sorted(list)
	list = table.move(list, 1, #list, 1, {})
	table.sort(list)
	return table.concat(list, " ")
end

local core = {}
local list = read("src/core/trigger.c"):match "cfw_trigger_names%(void%)\n{\n%s*static const char %*const list%[%] = (%b{})"
for name in list:gmatch '"([%l_]+)"' do
	core[#core + 1] = name
end
tap.ok(#core >= 10, "the core has triggers")
tap.is(sorted(names.triggers), sorted(core), "check knows the core's triggers")
local signals = {}
for name in read("lua/curfew/signals.lua"):match("%[%[(.-)%]%]"):gmatch "%S+" do
	signals[#signals + 1] = "SIG" .. name
end
tap.is(sorted(names.signals), sorted(signals), "check knows the Lua layer's signals")
for _, name in ipairs { "SIGTERM", "term", "sigterm", "closed", "custom:x" } do
	tap.ok(names.is_trigger(name), name .. " is a trigger")
end
for _, name in ipairs { "SIGTREM", "custom:", "close", "", "SIG" } do
	tap.ok(not names.is_trigger(name), ("%q is none"):format(name))
end

-- The functions that curfew has are known to check, or harmless: each that takes a callback must be.
local apis = require "curfew.check.apis"
for _, name in ipairs { "sleep", "wait", "exec", "fetch", "start", "stop", "after", "every", "subscribe" } do
	tap.ok(apis.curfew["curfew." .. name].async, "curfew." .. name .. " calls back")
end
for name in read("lua/curfew/fs.lua"):gmatch "function fs%.(%l+)" do
	tap.ok(apis.curfew["curfew.fs." .. name] and apis.curfew["curfew.fs." .. name].async, "curfew.fs." .. name .. " calls back")
end

local policy = os.tmpname()
local file = assert(io.open(policy, "w"))
file:write [[
local curfew = require "curfew"
local a, b = pcall(require, "curfew.check"), pcall(require, "luacheck.parser")
io.stderr:write("SEEN ", tostring(a), " ", tostring(b), "\n")
curfew.exit(0)
]]
file:close()
local pipe = io.popen(("LUA_PATH='/nowhere/?.lua' %s run %s 2>&1"):format(curfew, policy))
local said = pipe:read "a"
pipe:close()
os.remove(policy)
tap.like(said, "SEEN false false", "policies do not see the modules of check")
tap.done()
