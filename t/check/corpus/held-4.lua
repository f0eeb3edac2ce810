local curfew = require "curfew"
local events = setmetatable({}, { __index = function(t, k) local l = {} rawset(t, k, l) return l end })
local function on(name, f) table.insert(events[name], f) end
local function emit(name, ...) for _, f in ipairs(events[name]) do f(...) end end
on("save", function(x) error "in an emitter" end) --> server-crash
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res) curfew.after(0, function() emit("save", 1) end) end } }
