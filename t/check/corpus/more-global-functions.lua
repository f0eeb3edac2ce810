local curfew = require "curfew"
function raise_it()
	error "a global" --> server-crash
end
function handler(req, res)
	curfew.after(1, function() raise_it() end)
end
curfew.http { listen = "127.0.0.1:0", routes = { ["GET /"] = handler } }
