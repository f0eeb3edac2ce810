local _M = {}
local function flush(premature)
	assert(not premature) --> server-crash
end
function _M.content()
	ngx.timer.every(5, flush)
	if not ngx.var.arg_x then
		error "in the request itself: a 500"
	end
	ngx.say "ok"
end
return _M
