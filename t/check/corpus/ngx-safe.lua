local function work(premature)
	local ok, err = pcall(function() error "caught" end)
	if not ok then ngx.log(ngx.ERR, err) end
end
ngx.timer.at(0, work)
ngx.thread.spawn(function() error "ends its thread only" end)
