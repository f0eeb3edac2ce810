local curfew = require "curfew"
local Base = {}
Base.__index = Base
function Base:fail() error "from the base" end --> server-crash
local Derived = setmetatable({}, { __index = Base })
Derived.__index = Derived
local object = setmetatable({}, Derived)
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function() object:fail() end)
	end,
} }
