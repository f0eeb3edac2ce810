-- save-pcall.lua: the handler of save-unsafe.lua, with what may fail inside the callback in a pcall, and a reply that says so.

local curfew = require "curfew"
local root = os.getenv "ROOT" or "/no/such/folder"

local function check(exists)
	if not exists then
		error("no folder to save to: " .. root)
	end
end

local web = curfew.http {
	name = "web",
	listen = os.getenv "LISTEN" or "127.0.0.1:8080",
	routes = {
		["GET /"] = function() return "alive\n" end,
		["POST /save"] = function(req, res)
			curfew.fs.exists(root, function(exists)
				local ok, message = pcall(check, exists)
				if not ok then
					curfew.log.warn(message)
					return res:send(503, "cannot save now\n")
				end
				curfew.fs.write(root .. "/saved", req.body, function(written)
					res:send(written and 200 or 500, "done\n")
				end)
			end)
		end,
	},
}
web:pre_stop(function() curfew.log.info "web: about to stop" end)

curfew.start()
curfew.log.info("web: listening on", web.address)
