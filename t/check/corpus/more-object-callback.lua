local curfew = require "curfew"
local Job = {}
Job.__index = Job
function Job.new(res) return setmetatable({ res = res }, Job) end
function Job:done(result)
	if result.code ~= 0 then
		error "failed" --> server-crash
	end
	self.res:send "ok"
end
function Job:start()
	curfew.exec({ "make" }, function(result)
		if result then self:done(result) end
	end)
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /"] = function(req, res) Job.new(res):start() end,
} }
