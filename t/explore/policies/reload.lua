-- reload.lua: what SIGHUP reloads; enough servers and hooks that every reload finds something under way.
local curfew = require "curfew"
curfew.configure { exit_timeout = "8s" }

local base = curfew.process { name = "base", command = { "base" } }
local left = curfew.http { name = "left", listen = "127.0.0.1:0", after = { base }, drain = "3s", routes = {} }
local right = curfew.process { name = "right", command = { "right" }, after = { base }, restart = "failure" }
local top = curfew.http { name = "top", listen = "127.0.0.1:0", after = { left, right }, routes = {} }
for _, server in ipairs { base, left, right, top } do
	server:pre_stop(function() end, { timeout = "4s" })
	server:post_stop(function() end)
end
curfew.pre_stop(function() end)
curfew.on("SIGHUP", curfew.reload)
curfew.on("SIGUSR1", curfew.reload)
