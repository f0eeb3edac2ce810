#!/usr/bin/env lua5.4
-- Waiting: sleep, timers, tasks and what combines them, under a virtual clock.
local tap = dofile "t/lib/tap.lua"
local mock = dofile "t/lua/mock.lua"

local m = mock.new()
local function run(src, given)
	m = mock.new()
	return m:run(src, given)
end

-- ---- time

tap.same({ run [[curfew.sleep("1m30s") return curfew.now()]] }, { 90.0 }, "sleep takes its time")
tap.same({ run [[curfew.sleep(0.25) return curfew.now()]] }, { 0.25 }, "sleep takes seconds")
tap.same({ run [[
	local seen = {}
	local r = curfew.sleep("1s", function() seen[#seen + 1] = curfew.now() end)
	seen[#seen + 1] = "first"
	curfew.sleep("2s")
	return r, seen[1], seen[2] ]] }, { true, "first", 1.0 }, "sleep with a callback returns at once")

tap.same({ run [[
	local at
	curfew.after("3s", function() at = curfew.now() end)
	local gone = curfew.after("2s", function() at = "cancelled one" end)
	local first, second = gone:cancel(), gone:cancel()
	curfew.sleep("10s")
	return at, first, second ]] }, { 3.0, true, false }, "after, and its cancel")

tap.same({ run [[
	local ticks, timer = {}
	timer = curfew.every("100ms", function()
		ticks[#ticks + 1] = curfew.now()
		if #ticks == 3 then timer:cancel() end
	end)
	curfew.sleep("10s")
	return table.unpack(ticks) ]] }, { 0.1, 0.2, 0.3 }, "every, until its cancel")

-- ---- tasks

tap.same({ run [[return curfew.spawn(function(a, b) curfew.sleep("1s") return a + b, curfew.now() end, 2, 3):await()]] },
	{ 5, 1.0 }, "await gives what the task returned")
tap.same({ run [[return curfew.spawn(function() error("broken", 0) end):await()]] },
	{ nil, "broken", "ELUA" }, "a failure is nil, message, code")
tap.same(m.rejections, {}, "S2.6: a failure that is awaited is no rejection")
run [[curfew.spawn(function() error("alone", 0) end) curfew.sleep("1s")]]
tap.same(m.rejections, { "alone" }, "S2.6: one that is not is")
tap.same({ run [[
	local t = curfew.spawn(function() curfew.sleep("1h") end)
	local a, b, c = t:await("5s")
	return a, b, c, curfew.now(), t:done() ]] }, { nil, "timed out", "ETIMEDOUT", 5.0, false }, "await with a limit")
tap.same({ run [[
	local t = curfew.spawn(function() curfew.sleep("1h") end)
	local first, second = t:cancel(), t:cancel()
	local _, why, code = t:await()
	return first, second, t:done(), why, code ]] }, { true, false, true, "canceled", "ECANCELED" }, "cancel")
tap.same({ run [[
	local t = curfew.spawn(function() curfew.sleep("1s") return "late" end)
	local got
	local r = t:await(function(...) got = table.concat({ ... }, " ") end)
	local before = got
	curfew.sleep("2s")
	return r, before == nil, got ]] }, { true, true, "late" }, "await with a callback")
tap.same({ run [[
	local t = curfew.spawn(function() curfew.sleep("1h") end)
	local got
	t:await("1s", function(_, why, code) got = why .. " " .. code end)
	curfew.sleep("2s")
	return got ]] }, { "timed out ETIMEDOUT" }, "await with a limit and a callback")

-- ---- all

tap.same({ run [[
	local r = curfew.all {
		function() curfew.sleep("2s") return "slow" end,
		function() curfew.sleep("1s") return "fast" end,
		curfew.spawn(function() return "task" end),
	}
	return r[1], r[2], r[3], curfew.now() ]] }, { "slow", "fast", "task", 2.0 }, "all: side by side, each under its key")
tap.same({ run [[
	local r = curfew.all { web = function() return 1 end, db = function() return 2 end }
	return r.web, r.db ]] }, { 1, 2 }, "all: by name")
tap.same({ run [[return next(curfew.all {}) == nil]] }, { true }, "all of nothing is nothing")
tap.same({ run [[
	local r = curfew.all { function() end, function() return false end }
	return r[1] == nil, r[2] ]] }, { true, false }, "all: nothing and false are no failures")
tap.same({ run [[
	local finished
	local a, b, c = curfew.all {
		function() curfew.sleep("5s") finished = true end,
		function() curfew.sleep("1s") error("broken", 0) end,
	}
	local at = curfew.now()
	curfew.sleep("10s")
	return a, b, c, at, finished ]] }, { nil, "broken", "ELUA", 1.0 }, "all: the first error, and the rest is cancelled")
tap.same({ run [[return curfew.all { function() return nil, "no such file", "ENOENT" end }]] },
	{ nil, "no such file", "ENOENT" }, "all: a failed operation is a failure")
run [[curfew.all { function() error("one", 0) end, function() error("two", 0) end } curfew.sleep("1s")]]
tap.same(m.rejections, {}, "all: a second failure in the same turn is no rejection")
tap.same({ run [[
	local mine = curfew.spawn(function() curfew.sleep("2s") return "still" end)
	curfew.all { mine, function() error("x", 0) end }
	return mine:await() ]] }, { "still" }, "all: tasks of the caller's own are not cancelled")
tap.same({ run [[
	local got
	local r = curfew.all({ function() curfew.sleep("1s") return 7 end }, function(list) got = list[1] end)
	local before = got
	curfew.sleep("2s")
	return r, before == nil, got ]] }, { true, true, 7 }, "all with a callback")

-- ---- race

tap.same({ run [[
	local lost
	local a, b = curfew.race {
		function() curfew.sleep("2s") lost = true end,
		function() curfew.sleep("1s") return "won", 2 end,
	}
	local at = curfew.now()
	curfew.sleep("5s")
	return a, b, at, lost ]] }, { "won", 2, 1.0 }, "race: what the first returned; the rest is cancelled")
tap.same({ run [[return curfew.race { function() error("first", 0) end, function() curfew.sleep("1s") return 1 end }]] },
	{ nil, "first", "ELUA" }, "race: a failure can be the first")
tap.same({ run [[
	local got
	curfew.race({ function() return "x" end }, function(v) got = v end)
	curfew.sleep("1s")
	return got ]] }, { "x" }, "race with a callback")

-- ---- timeout

tap.same({ run [[return curfew.timeout("2s", function() curfew.sleep("1s") return "in time", 2 end)]] },
	{ "in time", 2 }, "timeout: in time")
tap.same({ run [[
	local went_on
	local a, b, c = curfew.timeout("1s", function() curfew.sleep("2s") went_on = true end)
	local at = curfew.now()
	curfew.sleep("5s")
	return a, b, c, at, went_on ]] }, { nil, "timed out", "ETIMEDOUT", 1.0 }, "timeout: too late, and cancelled")
tap.same({ run [[return curfew.timeout("1s", function() error("broken", 0) end)]] },
	{ nil, "broken", "ELUA" }, "timeout: a failure")
tap.same({ run [[
	local went_on
	curfew.timeout("1s", function()
		curfew.all { function() curfew.sleep("2s") went_on = true end, function() curfew.sleep("3s") end }
	end)
	curfew.sleep("5s")
	return went_on ]] }, {}, "timeout: what was waited for inside is cancelled too")
tap.same({ run [[
	local closed
	curfew.timeout("1s", function()
		local _ <close> = setmetatable({}, { __close = function() closed = curfew.now() end })
		curfew.sleep("1h")
	end)
	return closed ]] }, { 1.0 }, "timeout: <close> variables of the cancelled are closed")
tap.same({ run [[
	local got
	curfew.timeout("1s", function() curfew.sleep("1h") end, function(_, why) got = why end)
	curfew.sleep("2s")
	return got ]] }, { "timed out" }, "timeout with a callback")

-- ---- events

m = mock.new()
local task = m:begin [[
	local seen = {}
	local s = curfew.subscribe("state", function(v) seen[#seen + 1] = v end)
	local first = curfew.wait("state")
	curfew.sleep("1s")
	local was = s:cancel()
	local a, b, c = curfew.wait("state", "5s")
	local got
	curfew.wait("state", function(v) got = v end)
	curfew.sleep("5s")
	return first, table.concat(seen, " "), was, a, b, c, got ]]
m:settle(0)
m:emit("other", "no")
m:emit("state", "starting")
m:settle(0.5)
m:emit("state", "started")
m:settle(8)
m:emit("state", "stopping")
m:settle()
tap.same(table.pack(task:await()),
	{ "starting", "starting started", true, nil, "timed out", "ETIMEDOUT", "stopping", n = 7 }, "wait and subscribe")

tap.done()
