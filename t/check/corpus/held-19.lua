local _M = { _VERSION = "1" }
local mt = { __index = _M }
function _M.new(self) return setmetatable({}, mt) end
local function push(premature, self, data)
	if premature then return end
	local ok, err = self:send(data)
	if not ok then error(err) end --> server-crash
end
function _M.send(self, data) return nil, "no" end
function _M.log(self, data)
	local ok, err = ngx.timer.at(0, push, self, data)
	if not ok then ngx.log(ngx.ERR, err) end
end
return _M
