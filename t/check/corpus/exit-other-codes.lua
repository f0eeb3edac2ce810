local curfew = require "curfew"
local web = curfew.http { listen = "127.0.0.1:0", routes = {} }
web:pre_stop(function(ctx)
	if ctx.mode == "abort" then os.exit(3) end
	os.exit(false)
end)
web:post_stop(function() os.exit(0) end)
curfew.after("1h", function() os.exit(0) end)
