local curfew = require "curfew"
local function valid(file)
	if not file then
		return nil
	end
	return file:read "a"
end
local function must(v, message)
	if not v then error(message) end --> server-crash
	return v
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res)
		curfew.after(1, function()
			local text = valid(io.open "/x")
			res:send(must(text, "no text"))
		end)
	end,
} }
