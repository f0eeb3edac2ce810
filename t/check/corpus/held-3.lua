local curfew = require "curfew"
local function compose(f, g) return function(...) return f(g(...)) end end
local function parse(s) return tonumber(s) or error("bad number") end --> server-crash
local function double(n) return n * 2 end
local run = compose(double, parse)
curfew.http { listen = ":0", routes = {
	["POST /"] = function(req, res)
		curfew.after(0, function() res:send(200, tostring(run(req.body))) end)
	end } }
