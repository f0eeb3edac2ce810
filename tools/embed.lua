-- embed.lua FILE…: print a C table of the modules in FILE…, compiled to bytecode, for package.preload.
-- "lua/curfew/init.lua" becomes module "curfew", "lua/curfew/rules.lua" becomes "curfew.rules".
local function module_of(path)
	local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/", "."):gsub("%.init$", "")
	return name
end

print('#include "policy/embedded.h"')
local rows = {}
for i, path in ipairs(arg) do
	local file = assert(io.open(path, "rb"))
	local chunk = assert(load(file:read("a"), "=" .. module_of(path):gsub("%.", "/") .. ".lua", "t"))
	file:close()
	local bytes = {}
	for c in string.dump(chunk):gmatch "." do
		bytes[#bytes + 1] = ("%d,"):format(c:byte())
	end
	-- gmatch "." skips nothing: "." matches any byte, newlines and zeros included
	print(("static const unsigned char m%d[] = {%s};"):format(i, table.concat(bytes)))
	rows[#rows + 1] = ('\t{"%s", m%d, sizeof m%d},'):format(module_of(path), i, i)
end
print("const struct cfw_embedded cfw_embedded[] = {")
print(table.concat(rows, "\n"))
print("\t{0, 0, 0},\n};")
