local curfew = require "curfew"
local ok_only = function(cb) return function(v, err) if not v then return end cb(v) end end
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		curfew.fs.read("x", ok_only(function(data) res:send(data:upper()) end))
	end } }
