-- deps.lua: a graph with a diamond, a chain and somebody alone; servers that are started again, and one that may end.
local curfew = require "curfew"

local db = curfew.process { name = "db", command = { "db" }, restart = { on = "failure", max = 2 } }
local migrate = curfew.process { name = "migrate", command = { "migrate" }, after = { db }, expect_exit = true }
local cache = curfew.process { name = "cache", command = { "cache" }, restart = { on = "always", max = 0, backoff = "1s" } }
local api = curfew.http { name = "api", listen = "127.0.0.1:0", after = { db, cache }, routes = {} }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { api, cache }, drain = "2s", routes = {} }
local alone = curfew.tcp { name = "alone", listen = "127.0.0.1:0", handler = function() end }

for _, server in ipairs { db, migrate, cache, api, web, alone } do
	server:pre_stop(function() end)
end
db:post_stop(function() end)
web:post_stop(function() end)
curfew.post_stop(function() end)
