-- save-unsafe.lua: a handler that raises in the callback of an asynchronous check. In a bare event loop this error, which any
-- client can cause, ends the whole server. Here it belongs to the request: that one gets 500, and nothing else notices.
--
--   curfew run examples/save-unsafe.lua
--   curl -X POST --data x http://127.0.0.1:8080/save

local curfew = require "curfew"
local root = os.getenv "ROOT" or "/no/such/folder"

local web = curfew.http {
	name = "web",
	listen = os.getenv "LISTEN" or "127.0.0.1:8080",
	routes = {
		["GET /"] = function() return "alive\n" end,
		["POST /save"] = function(req, res)
			curfew.fs.exists(root, function(exists)
				if not exists then
					error("no folder to save to: " .. root)
				end
				curfew.fs.write(root .. "/saved", req.body, function(ok)
					res:send(ok and 200 or 500, "done\n")
				end)
			end)
		end,
	},
}
web:pre_stop(function() curfew.log.info "web: about to stop" end)

curfew.start()
curfew.log.info("web: listening on", web.address)
