-- One HTTP server for each port in BENCH_PORTS, a list with commas.
local curfew = require "curfew"

local function answer()
	return "ok\n"
end

for port in os.getenv("BENCH_PORTS"):gmatch "%d+" do
	curfew.http { name = "web-" .. port, listen = "127.0.0.1:" .. port, routes = { ["GET /"] = answer } }
end
