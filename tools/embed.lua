-- embed.lua [MODULE=]FILE…: print a C table of the modules in FILE…, compiled to bytecode, for package.preload.
-- "lua/curfew/init.lua" becomes module "curfew", "lua/curfew/rules.lua" becomes "curfew.rules"; others' modules are named,
-- and go without their debug information.
-- A policy can require curfew, curfew.sim, and what the binary itself starts in a policy's place; the rest is for our own
-- modules.
local function module_of(path)
	local name = path:gsub("^lua/", ""):gsub("%.lua$", ""):gsub("/", "."):gsub("%.init$", "")
	return name
end

local open = {}
for _, name in ipairs { "curfew", "curfew.command", "curfew.sim", "curfew.sim.inside" } do
	open[name] = true
end

print('#include "policy/embedded.h"')
local rows = {}
for i, word in ipairs(arg) do
	local module, path = word:match "^([%w_.]+)=(.+)$"
	path = path or word
	module = module or module_of(path)
	local file = assert(io.open(path, "rb"))
	local chunk = assert(load(file:read("a"), "=" .. module:gsub("%.", "/") .. ".lua", "t"))
	file:close()
	local bytes = {}
	for c in string.dump(chunk, path ~= word):gmatch "." do
		bytes[#bytes + 1] = ("%d,"):format(c:byte())
	end
	-- gmatch "." skips nothing: "." matches any byte, newlines and zeros included
	print(("static const unsigned char m%d[] = {%s};"):format(i, table.concat(bytes)))
	rows[#rows + 1] = ('\t{"%s", m%d, sizeof m%d, %s},'):format(module, i, i, open[module] and "true" or "false")
end
print("const struct cfw_embedded cfw_embedded[] = {")
print(table.concat(rows, "\n"))
print("\t{0, 0, 0, false},\n};")
