local curfew = require "curfew"
local hooks = { function() curfew.sleep("10s") end } --> hook-too-long
for _, h in ipairs(hooks) do curfew.pre_stop(h) end
local w = curfew.process { name = "db", command = { "x" } }
w:pre_stop(function() os.execute("sleep 1") end):post_stop(function()
	curfew.sleep(6) --> hook-too-long
end)
