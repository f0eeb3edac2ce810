-- BENCH_N children, each after the one before it: the last starts last and stops first.
local curfew = require "curfew"

local before
for i = 1, tonumber(os.getenv "BENCH_N") do
	local child = curfew.process { name = "child-" .. i, command = { os.getenv "BENCH_CHILD", tostring(i) } }
	if before then
		child:after(before)
	end
	before = child
end
