-- save-waiting.lua: the handler of save-unsafe.lua, waiting in place of calling back: one function from top to bottom, whose
-- caller's pcall covers all of it.

local curfew = require "curfew"
local root = os.getenv "ROOT" or "/no/such/folder"

local function save(body)
	if not curfew.fs.exists(root) then
		error("no folder to save to: " .. root)
	end
	return assert(curfew.fs.write(root .. "/saved", body))
end

local web = curfew.http {
	name = "web",
	listen = os.getenv "LISTEN" or "127.0.0.1:8080",
	routes = {
		["GET /"] = function() return "alive\n" end,
		["POST /save"] = function(req)
			local ok, message = pcall(save, req.body)
			if not ok then
				curfew.log.warn(message)
				return 503, "cannot save now\n"
			end
			return "done\n"
		end,
	},
}
web:pre_stop(function() curfew.log.info "web: about to stop" end)

curfew.start()
curfew.log.info("web: listening on", web.address)
