-- full.lua: what full_test.lua explores. Every function is run; the environment says how each behaves, and when this is broken:
-- that is a matter of time, since a build that comes to nothing leaves nothing behind that could count.
local curfew = require "curfew"
curfew.configure { exit_timeout = "4s", memory_limit = "3MB", hook_cpu_limit = "20ms" }
curfew.on("SIGHUP", curfew.reload)

local function env(name)
	return os.getenv(name) or ""
end

local behave = {
	slow = function() curfew.sleep "1500ms" end,
	hangs = function() curfew.sleep "1h" end,
	raises = function() error "raised" end,
	throws = function() error({}) end,
	spins = function() while true do end end,
	grows = function()
		local all = {}
		while true do all[#all + 1] = ("x"):rep(1000 + #all) end
	end,
	exits = function() os.exit(0) end,
	exits_badly = function() os.exit(5) end,
	asks = function() curfew.exec { "ask" } curfew.fetch "http://x/" curfew.fs.read "/x" end,
	extends = function(ctx) ctx:extend "9s" curfew.sleep "3s" end,
	races = function() curfew.race { function() curfew.sleep "1h" end, function() curfew.sleep "10ms" end } end,
	fails_in_task = function() curfew.spawn(function() error "in a task" end):await() end,
}

local function hook(name)
	return behave[env(name)] or function() end
end

local db = curfew.process { name = "db", command = { "db" }, restart = "failure" }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { db }, drain = "2s", routes = {} }
local lua = curfew.server { name = "lua", start = hook "START", stop = hook "STOP", after = { db } }
db:pre_stop(hook "DB", { name = "of db" })
web:pre_stop(hook "WEB", { name = "of web", timeout = "1s" })
web:pre_stop(function() end, { name = "last" })
lua:pre_stop(hook "LUA", { name = "of lua" })
lua:post_start(hook "UP", { name = "up", timeout = "2s" })
curfew.post_stop(hook "LAST", { name = "of all" })

local at = curfew.now()
local from, to = tonumber(env "FROM"), tonumber(env "TO")
curfew.kept.first = curfew.kept.first or at
if from and at - curfew.kept.first >= from and at - curfew.kept.first < to then
	curfew.server { name = "ghost", start = function() end, stop = function() end }:pre_stop(function() end)
	curfew.after(0, function() curfew.log.error "a ghost" end)
	curfew.on("*", curfew.kill(66));
	(behave[env "BROKEN"] or error)("broken")
end
if env "LOADS" == "slowly" then
	curfew.sleep "400ms"
end
