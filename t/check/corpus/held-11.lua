local curfew = require "curfew"
local Conn = {}
Conn.__index = Conn
setmetatable(Conn, { __call = function(cls, ...) local o = setmetatable({}, cls) o:init(...) return o end })
function Conn:init(res) self.res = res end
function Conn:fail() error("failed") end --> server-crash
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		local c = Conn(res)
		curfew.after(1, function() c:fail() end)
	end } }
