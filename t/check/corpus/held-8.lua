local curfew = require "curfew"
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		local results = {}
		local pending = 2
		local function done(i, v)
			results[i] = v
			pending = pending - 1
			if pending == 0 then res:send(table.concat(results)) end
		end
		curfew.fs.read("a", function(v, err) done(1, v or err) end)
		curfew.fs.read("b", function(v, err) done(2, v or err) end)
	end } }
