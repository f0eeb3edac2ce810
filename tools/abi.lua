-- abi.lua HEADER: what a program that was compiled with this header relies on, as C that compiles only as long as it holds:
-- where each field of a struct lies and of what type it is, the values of enums and macros, the types of functions. A struct
-- with a size field may grow at its end; all others are as large as they are.
local path = assert(arg[1], "usage: abi.lua HEADER")
local file <close> = assert(io.open(path))
local text = file:read "a":gsub("/%*.-%*/", ""):gsub("[ \t]+", " ")

local out = {}
local function put(fmt, ...)
	out[#out + 1] = fmt:format(...)
end

-- "const char *key, *value" -> { key = "const char *", value = "const char *" }, in order.
local function declared(field)
	field = field:gsub("%s+", " "):gsub("^ ", ""):gsub(" $", "")
	local before, name, after = field:match "^(.-%(%*)([%w_]+)(%).*)$"
	if name then
		return { { name, before .. after } }
	end
	local list = {}
	local base, rest = field:match "^(.-)(%**[%w_%[%]]+)$"
	if field:find(",", 1, true) then
		base, rest = field:match "^(.-)(%**[%w_]+ ?,.*)$"
	end
	for declarator in rest:gmatch "[^,]+" do
		local stars, n, array = declarator:match "^ ?(%**)([%w_]+)(%[?.*)$"
		list[#list + 1] = { n, ((base .. stars .. array):gsub("^ ", ""):gsub(" $", "")) }
	end
	return list
end

for name, body in text:gmatch "\nstruct ([%w_]+) (%b{});" do
	local sized = false
	for field in body:sub(2, -2):gmatch "([^;]+);" do
		for _, d in ipairs(declared(field)) do
			sized = sized or d[1] == "size"
			put("FIELD(struct %s, %s, @OFFSET@, %s);", name, d[1], d[2])
		end
	end
	put(sized and "GROWS(struct %s, @SIZE@);" or "SIZE(struct %s, @SIZE@);", name)
end
for body in text:gmatch "\nenum [%w_]+ (%b{});" do
	for name in body:gmatch "[{,]%s*([%w_]+)" do
		put("VALUE(%s, @VALUE@);", name)
	end
end
for name in text:gmatch "\n#define (CURFEW_[%w_]+) [%w_]+\n" do
	if name ~= "CURFEW_API" then
		put("VALUE(%s, @VALUE@);", name)
	end
end
for result, name, arguments in text:gmatch "\ntypedef ([^;()]-)([%w_]+)(%b());" do
	put("TYPE(%s, %s%s);", name, result:gsub(" $", ""), (arguments:gsub("%s+", " ")))
end
for result, name, arguments in text:gmatch "\nCURFEW_API ([^;()]-)([%w_]+)(%b());" do
	put("FUNCTION(%s, %s%s);", name, result:gsub(" $", ""), (arguments:gsub("%s+", " ")))
end

-- The compiler knows the numbers.
local numbers, source = {}, os.tmpname()
do
	local c <close> = assert(io.open(source, "w"))
	c:write('#include <stdio.h>\n#include "', path, '"\nint main(void)\n{\n')
	for _, line in ipairs(out) do
		local of, field = line:match "^FIELD%(([^,]+), ([%w_]+)"
		local what = field and ("offsetof(%s, %s)"):format(of, field)
			or not line:find "^VALUE" and line:match "^%u+%((struct [%w_]+), @SIZE" and "sizeof(" .. line:match "%((.-)," .. ")"
			or line:match "^VALUE%(([%w_]+)"
		c:write('printf("%lld\\n", (long long)', what or "0", ");\n")
	end
	c:write "}\n"
end
local run = assert(io.popen(("cc -I. -x c -o %s.bin %s && %s.bin"):format(source, source, source)))
for line in run:lines() do
	numbers[#numbers + 1] = line
end
local done = run:close()
os.remove(source)
os.remove(source .. ".bin")
assert(done and #numbers == #out, "the header does not compile")
for i, line in ipairs(out) do
	print((line:gsub("@%u+@", numbers[i])))
end
