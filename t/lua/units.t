#!/usr/bin/env lua5.4
-- Durations, sizes, and the nearest name.
local tap = dofile "t/lib/tap.lua"
package.path = "lua/?.lua;" .. package.path
local units = require "curfew.units"
local nearest = require "curfew.nearest"

local MS, S = 1000000, 1000000000

local durations = {
	{ 0, 0 },
	{ 1, S },
	{ 0.25, 250 * MS },
	{ 1e-9, 1 },
	{ 90, 90 * S },
	{ "0", 0 },
	{ "5", 5 * S },
	{ "0.5", 500 * MS },
	{ "7ns", 7 },
	{ "100us", 100000 },
	{ "250ms", 250 * MS },
	{ "5s", 5 * S },
	{ "1.5s", 1500 * MS },
	{ "1m30s", 90 * S },
	{ "1h", 3600 * S },
	{ "1h1m1s1ms1us1ns", 3661001001001 },
	{ "2d", 172800 * S },
	{ "1000000000s", 1000000000 * S },
}
for _, case in ipairs(durations) do
	local ns = units.duration(case[1])
	tap.is(ns, case[2], ("%s is %d ns"):format(case[1], case[2]))
	tap.is(math.type(ns), "integer", "… as an integer")
end

local strange = 0
for round = 1, 3 do
	for i = 1, 200 do
		strange = strange + (units.duration(i .. "ms") == i * MS and 0 or 1)
		strange = strange + (units.duration "5 s" == nil and units.duration "0s" == 0 and 0 or 1)
	end
end
tap.is(strange, 0, "whatever was asked before, and however often, the answer is the same")

for _, wrong in ipairs {
	-1, -0.001, 1 / 0, -1 / 0, 0 / 0, 1e10, math.maxinteger, math.mininteger,
	"", " ", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "5sec", "5 parsecs", "1s1s", "30s1m", "1m30", "5s,", "0x5s", "1e3s",
	"1..5s", ".5s", "5ms5", "nan", "inf", "2000000000s", "99999999999999999999d", "5s\0",
	{}, true,
} do
	tap.is(units.duration(wrong), nil, ("%s is no duration"):format(wrong))
end
tap.is(units.duration(nil), nil, "nil is no duration")

local sizes = {
	{ 0, 0 },
	{ 512, 512 },
	{ 512.0, 512 },
	{ "512", 512 },
	{ "512B", 512 },
	{ "1KB", 1024 },
	{ "1K", 1024 },
	{ "1KiB", 1024 },
	{ "1kb", 1024 },
	{ "1.5KB", 1536 },
	{ "64MB", 67108864 },
	{ "1GiB", 1073741824 },
	{ "2TB", 2199023255552 },
}
for _, case in ipairs(sizes) do
	local bytes = units.size(case[1])
	tap.is(bytes, case[2], ("%s is %d bytes"):format(case[1], case[2]))
	tap.is(math.type(bytes), "integer", "… as an integer")
end
for _, wrong in ipairs {
	-1, 0.5, 1 / 0, 0 / 0, "", "-1", "KB", "1 KB", "1XB", "1KX", "1Bi", "1iB", "1BB", "99999999TB", {}, true,
} do
	tap.is(units.size(wrong), nil, ("%s is no size"):format(wrong))
end

local names = { "listen", "name", "exit_timeout", "max_exit_timeout", "keep_alive", "drain", "stop", "pre_stop" }
for word, want in pairs {
	lisen = "listen",
	Listen = "listen",
	nmae = "name",
	exit_timout = "exit_timeout",
	keepalive = "keep_alive",
	dran = "drain",
	stpo = "stop",
	timeout = "exit_timeout",
} do
	tap.is(nearest(word, names), want, ("%s means %s"):format(word, want))
end
for _, word in ipairs { "x", "", "colour", "banana_split", ("listen"):rep(100) } do
	tap.is(nearest(word, names), nil, ("%.20s means nothing we know"):format(word))
end
tap.is(nearest(5, names), nil, "a number means nothing")

tap.done()
