local curfew = require "curfew"
local function retry(n, f)
	local ok, err = pcall(f)
	if ok then return end
	if n == 0 then error(err) end --> server-crash
	curfew.after(1, function() retry(n - 1, f) end)
end
curfew.http { listen = ":0", routes = {
	["GET /"] = function(req, res)
		retry(3, function() error "inner" end)
	end } }
