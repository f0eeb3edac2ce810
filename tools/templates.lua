-- templates.lua FILE…: print a C table of the files of `curfew init`: NAME.lua and NAME_test.lua belong together.
print('#include "bin/templates.h"')
local texts, names = {}, {}
for _, path in ipairs(arg) do
	local file = assert(io.open(path, "rb"))
	local name = path:match "([%w_]+)%.lua$"
	texts[name] = file:read "a"
	file:close()
	if not name:find "_test$" then
		names[#names + 1] = name
	end
end

-- As a list of bytes: no length is too long for it, and nothing has to be escaped.
local function array(name, text)
	local bytes = {}
	for c in text:gmatch "." do
		bytes[#bytes + 1] = ("%d,"):format(c:byte())
	end
	print(("static const char %s[] = {%s0};"):format(name, table.concat(bytes)))
end

local rows = {}
for _, name in ipairs(names) do
	array(name, texts[name])
	array(name .. "_test", assert(texts[name .. "_test"], name .. " has no test"))
	rows[#rows + 1] = ('\t{"%s", %s, %s_test},'):format(name, name, name)
end
print "const struct cfw_template cfw_templates[] = {"
print(table.concat(rows, "\n"))
print "\t{0, 0, 0},\n};"
