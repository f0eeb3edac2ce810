-- hooks.lua: hooks of every phase, with limits and without, several of a phase; short timeouts, so that margins come often.
local curfew = require "curfew"
curfew.configure { exit_timeout = "4s", stop_margin = "800ms", max_exit_timeout = "20s", start_timeout = "6s" }

local a = curfew.http { name = "a", listen = "127.0.0.1:0", routes = {} }
local b = curfew.http { name = "b", listen = "127.0.0.1:0", after = { a }, routes = {} }
for _, server in ipairs { a, b } do
	server:pre_start(function() end, { timeout = "2s" })
	server:pre_start(function() end)
	server:post_start(function() end, { timeout = "1s" })
	server:pre_stop(function() end, { name = "first", timeout = "1s" })
	server:pre_stop(function() end, { name = "second" })
	server:post_stop(function() end, { timeout = "500ms" })
	server:post_stop(function() end)
end
curfew.pre_stop(function() end, { timeout = "3s" })
curfew.pre_stop(function() end)
curfew.post_stop(function() end)
curfew.post_stop(function() end, { timeout = "300ms" })
