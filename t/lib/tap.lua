-- tap.lua: TAP from Lua tests: one ok a check, the plan at the end, diagnostics on stderr.
--
--   local tap = dofile "t/lib/tap.lua"
--   tap.is(2 + 2, 4, "S2.1: …")
--   tap.done()
--
-- Each check returns whether it held.
local tap = { count = 0, failed = 0 }

io.stdout:setvbuf "line"

function tap.diag(fmt, ...)
	local text = select("#", ...) > 0 and fmt:format(...) or tostring(fmt)
	io.stderr:write("# ", (text:gsub("\n", "\n# ")), "\n")
end

-- The line of the test script that called the check.
local function caller()
	local level = 3
	while true do
		local info = debug.getinfo(level, "Sl")
		if not info then
			return "?"
		elseif info.currentline > 0 and not info.short_src:find "tap%.lua$" then
			return info.short_src .. ":" .. info.currentline
		end
		level = level + 1
	end
end

local function show(v)
	return type(v) == "string" and ("%q"):format(v) or tostring(v)
end

function tap.ok(held, words)
	tap.count = tap.count + 1
	words = (words or ""):gsub("#", "\\#"):gsub("\n", " ")
	io.write(held and "ok " or "not ok ", tap.count, words ~= "" and " - " .. words or "", "\n")
	if not held then
		tap.failed = tap.failed + 1
		tap.diag("failed at %s: %s", caller(), words)
	end
	return not not held
end

-- Equal, and of the same type: 1 is not "1".
function tap.is(got, want, words)
	local held = tap.ok(got == want, words)
	if not held then
		tap.diag("     got %s\nexpected %s", show(got), show(want))
	end
	return held
end

function tap.isnt(got, not_want, words)
	local held = tap.ok(got ~= not_want, words)
	if not held then
		tap.diag("got %s", show(got))
	end
	return held
end

-- got matches the Lua pattern.
function tap.like(got, pattern, words)
	local held = tap.ok(type(got) == "string" and got:find(pattern) ~= nil, words)
	if not held then
		tap.diag("     got %s\n pattern %s", show(got), show(pattern))
	end
	return held
end

local function differ(a, b, path)
	if type(a) ~= "table" or type(b) ~= "table" then
		return a ~= b and ("%s: got %s, expected %s"):format(path, show(a), show(b)) or nil
	end
	for key in pairs(b) do
		local d = differ(a[key], b[key], path .. "[" .. show(key) .. "]")
		if d then
			return d
		end
	end
	for key in pairs(a) do
		if b[key] == nil then
			return ("%s[%s]: got %s, expected nothing"):format(path, show(key), show(a[key]))
		end
	end
	return nil
end

-- The same tree of values.
function tap.same(got, want, words)
	local d = differ(got, want, "value")
	local held = tap.ok(not d, words)
	if d then
		tap.diag(d)
	end
	return held
end

-- f raises; the error as a string matches the pattern, or, with plain, is exactly the text.
function tap.raises(f, text, words, plain)
	local held, err = pcall(f)
	if held then
		tap.ok(false, words)
		tap.diag "nothing was raised"
		return false
	end
	if not plain then
		return tap.like(tostring(err), text, words)
	end
	return tap.is(tostring(err), text, words)
end

function tap.skip_all(why)
	print("1..0 # SKIP " .. why)
	os.exit(0)
end

function tap.bail(why)
	print("Bail out! " .. why)
	os.exit(255)
end

-- The plan; ends the process: 0 when all held and something was checked.
function tap.done()
	print("1.." .. tap.count)
	if tap.failed > 0 then
		tap.diag("%d of %d failed", tap.failed, tap.count)
	end
	os.exit(tap.failed == 0 and tap.count > 0, true)
end

return tap
