-- BENCH_N servers, each with a pre_stop hook that waits 10 ms; the file BENCH_READY appears when the last has started.
local curfew = require "curfew"

local function nothing() end
local function wait()
	curfew.sleep "10ms"
end

local left = tonumber(os.getenv "BENCH_N")
local function started()
	left = left - 1
	if left == 0 then
		assert(io.open(os.getenv "BENCH_READY", "w")):close()
	end
end

for i = 1, left do
	local s = curfew.server { name = "server-" .. i, start = nothing, stop = nothing }
	s:post_start(started)
	s:pre_stop(wait)
end
