-- three.lua: three servers one behind the other, with hooks, rules and a timer of a second: tried in virtual time.
local curfew = require "curfew"

local db = curfew.process { name = "db", command = { "db" }, restart = { on = "failure", max = 3 } }
local cache = curfew.process { name = "cache", command = { "cache" }, after = { db } }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { db, cache }, routes = {} }

web:pre_stop(function() curfew.sleep "250ms" end, { name = "let the balancer notice", timeout = "2s" })
web:post_stop(function() end)
cache:pre_stop(function() end)
db:pre_stop(function() end, { name = "flush" })

local ticks = 0
curfew.every("1s", function() ticks = ticks + 1 end)
curfew.pre_stop(function() curfew.log.info(ticks .. " ticks") end)

curfew.on("SIGINT", function(t)
	return t.count > 1 and curfew.abort(130) or nil
end)
curfew.on("closed", function(t)
	return t.server == cache and curfew.restart or nil
end)
