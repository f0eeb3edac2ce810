-- rules.lua: decisions of every kind, also ones that build strings and tables, so that memory can end in them.
local curfew = require "curfew"

local db = curfew.process { name = "db", command = { "db" } }
local web = curfew.http { name = "web", listen = "127.0.0.1:0", after = { db }, routes = {} }
db:pre_stop(function() end)
web:pre_stop(function() end)
curfew.post_stop(function() end)

curfew.on("SIGINT", function(t)
	if t.count == 2 then
		return curfew.abort(130)
	elseif t.count == 3 then
		return curfew.kill(137)
	end
end)
curfew.on("closed", function(t)
	local text = ("%s ended, %d"):format(t.server.name, t.count)
	if t.server.name == "db" and t.count < 4 then
		return curfew.restart
	end
	return #text > 14 and curfew.graceful(3) or curfew.ignore
end)
curfew.on("start_failed", function(t)
	return t.server.name == "web" and t.count < 3 and curfew.restart or nil
end)
curfew.on("SIGHUP", curfew.ignore)
curfew.on("SIGUSR2", curfew.graceful(7))
curfew.on("cancel", function(t)
	return t.count > 2 and curfew.ignore or nil
end)
curfew.on("*", function(t)
	local seen = { t.name, t.count }
	return t.name == "error" and #seen == 2 and curfew.abort(9) or nil
end)
