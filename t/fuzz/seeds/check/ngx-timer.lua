local function work(premature, id)
	if premature then return end
	local n = tonumber(id)
	ngx.log(ngx.INFO, n + 1) --> server-crash
	error "in the timer" --> server-crash
end
local ok, err = ngx.timer.at(0, work, ngx.var.arg_id)
if not ok then
	ngx.log(ngx.ERR, err)
end
