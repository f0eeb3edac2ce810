-- A test for nil that is kept in a variable, and an assert of what is always so.
local curfew = require "curfew"

curfew.http {
	name = "w",
	listen = ":0",
	routes = {
		["GET /"] = function(_, res)
			curfew.fetch("http://127.0.0.1/", function(page)
				local ok = page ~= nil
				if not ok then
					return
				end
				res:send(page.body)
			end)
			curfew.fetch("http://127.0.0.1/", function(page)
				local missing = not page
				if missing then
					res:send(page.body) --> server-crash
				else
					res:send(page.body)
				end
			end)
			curfew.fetch("http://127.0.0.1/", function(page)
				local ok = page ~= nil
				ok = true
				if ok then
					res:send(page.body) --> server-crash
				end
			end)
			curfew.after(1, function()
				assert(1 == 1)
				assert("a" ~= "b")
				assert(1 == 2) --> server-crash
			end)
		end,
	},
}
