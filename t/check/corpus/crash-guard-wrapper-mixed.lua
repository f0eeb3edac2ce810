local curfew = require "curfew"
local function twice(f)
	return function(...)
		f(...)
		f(...)
	end
end
local function guarded(f)
	return function(...)
		return pcall(f, ...)
	end
end
curfew.http { listen = "127.0.0.1:0", routes = {
	["GET /a"] = function(req, res)
		curfew.fs.exists("/x", twice(function(yes)
			error "twice protects nothing" --> server-crash
		end))
	end,
	["GET /b"] = function(req, res)
		curfew.fs.exists("/x", twice(guarded(function(yes)
			error "guarded does"
		end)))
	end,
} }
