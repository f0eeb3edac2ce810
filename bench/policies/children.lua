-- BENCH_N children, each running BENCH_CHILD.
local curfew = require "curfew"

for i = 1, tonumber(os.getenv "BENCH_N") do
	curfew.process { name = "child-" .. i, command = { os.getenv "BENCH_CHILD" } }
end
