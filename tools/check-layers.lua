-- check-layers.lua SRC [BUILD]: do all arrows between the rooms point down? Two checks: what each file under SRC includes and
-- calls, and, with BUILD, which symbols the objects there leave undefined. One line a fault; exit 1 if there is one.
local src, build = arg[1], arg[2]
assert(src, "usage: check-layers.lua SRC [BUILD]")

local faults = 0
local function fault(fmt, ...)
	faults = faults + 1
	io.stderr:write("check-layers: ", fmt:format(...), "\n")
end

-- What a room may include besides itself. "curfew" is src/instance.h and what stands beside it. A file stands for itself alone.
local below = {
	include = {}, -- the public headers alone: everybody may include curfew.h, a host any
	base = {},
	core = { "base" },
	view = { "core", "base" },
	adapters = { "base" },
	host = { "base", "adapters/loop.h" }, -- it leans on the table of the loop, on no loop
	policy = { "core", "base" },
	curfew = { "policy", "host", "adapters", "view", "core", "base" },
	shell = { "curfew", "view", "policy", "host", "adapters", "core", "base" },
	sim = { "curfew", "view", "policy", "adapters", "core", "base" }, -- the library under a clock that is a number
	hosts = { "curfew", "adapters", "base" },
	module = { "shell", "curfew", "base" }, -- the shell for a program that is Lua's own interpreter
	bin = { "shell", "sim", "curfew", "view", "policy", "host", "adapters", "core", "base" },
}
-- Files that belong to no room: plain facts.
local facts = { ["version.h"] = true, ["include/curfew.h"] = true }
-- System headers that only some rooms may see; all else is free but for the core.
local sees = {
	{ "^lua%.h$", "policy module" },
	{ "^lualib%.h$", "policy" },
	{ "^lauxlib%.h$", "policy module" },
	{ "^event2/", "adapters shell bin include" },
	{ "^uv%.h$", "include" },
	{ "^ev%.h$", "include" },
	{ "^glib", "include" },
	{ "^event%.h$", "" },
	{ "^curl/", "host" },
}
-- The pure machine: no I/O, no clock. <stdio.h> is for snprintf, which the symbols prove.
local core_headers = "assert inttypes limits stdalign stdarg stdbool stddef stdint stdio stdnoreturn string"
-- Only this file enters a policy's Lua; module/ is called by a Lua of others, and calls back into that. (lua_call does not: a
-- C function that a script called is inside already.)
local guard, enters = "policy/guard.c", { "lua_pcallk?", "lua_resume", "luaL_dostring", "luaL_dofile" }

local function lines_of(command)
	local pipe <close> = assert(io.popen(command))
	local lines = {}
	for line in pipe:lines() do
		lines[#lines + 1] = line
	end
	return lines
end

local function read(path)
	local file <close> = assert(io.open(path, "rb"))
	return file:read "a"
end

-- Without comments and the insides of strings; newlines stay, so that lines keep their numbers.
local function bare(text)
	local function blank(s)
		return (s:gsub("[^\n]", " "))
	end
	return (text:gsub("/%*.-%*/", blank):gsub("//[^\n]*", blank):gsub('\\"', "  "):gsub('"[^"\n]*"', blank))
end

local function has(words, word)
	for w in words:gmatch "%S+" do
		if w == word then
			return true
		end
	end
	return false
end

local function room_of(path)
	return path:match "^(%w+)/" or "curfew"
end

local function check_include(path, n, how, name)
	local room = room_of(path)
	if how == "<" then
		for _, rule in ipairs(sees) do
			if name:find(rule[1]) and not has(rule[2], room) then
				fault("%s:%d: <%s> may be seen by %s only", path, n, name, rule[2] == "" and "nobody" or rule[2])
			end
		end
		if room == "core" and not has(core_headers, (name:gsub("%.h$", ""))) then
			fault("%s:%d: the core is pure: no <%s>", path, n, name)
		end
		return
	end
	if facts[name] then
		return
	end
	local target = room_of(name)
	if target == room or (room == "include" and name == "curfew.h") then -- as they are installed, side by side
		return
	end
	for _, allowed in ipairs(below[room] or {}) do
		if allowed == target or allowed == name then
			return
		end
	end
	fault('%s:%d: %s may not include "%s"', path, n, room, name)
end

local function check_calls(path, text)
	if path == guard or path:find "^module/" then
		return
	end
	local n = 0
	for line in (bare(text) .. "\n"):gmatch "(.-)\n" do
		n = n + 1
		for _, call in ipairs(enters) do
			local found = line:match("%f[%w_](" .. call .. ")%s*%(")
			if found then
				fault("%s:%d: only %s may call %s", path, n, guard, found)
			end
		end
	end
end

local function check_files()
	local seen = 0
	for _, full in ipairs(lines_of(("find '%s' -name '*.[ch]' | sort"):format(src))) do
		local path, text, n = full:sub(#src + 2), read(full), 0
		seen = seen + 1
		if not below[room_of(path)] then
			fault("%s: no such room is drawn", path)
		end
		for line in (text .. "\n"):gmatch "(.-)\n" do
			n = n + 1
			local how, name = line:match '^%s*#%s*include%s*([<"])([^>"]+)[>"]'
			if how then
				check_include(path, n, how, name)
			end
		end
		check_calls(path, text)
	end
	if seen == 0 then
		fault("%s: no source here", src)
	end
end

-- Symbols: undefined ones that an archive's objects may have besides those of the archives below it. Lua patterns, whole names.
local compiler = { "_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail", "__assert_fail", "__gcov_.*" }
local pure = { "mem%w+", "__mem%w+_chk", "str%w+", "__str%w+_chk", "v?snprintf", "__v?snprintf_chk" }
local system = {
	"malloc", "calloc", "realloc", "free", "__errno_location", "__ctype_[%w_]+_loc", "strtod",
	"strerrorname_np", "clock_gettime", "mmap", "munmap", "kill", "killpg", "__libc_current_sigrtm%l%l",
}
local prints = { "v?f?printf", "__v?f?printf_chk", "puts", "perror", "stdout", "stderr" }
local ends = { "exit", "abort", "quick_exit" }
local forked = { "_exit", "_Exit" } -- a child between fork and exec may
local archives = {
	-- Of base not its ways to the system: the core has its memory injected, its time as an argument, and no log.
	core = {
		below = { "base" },
		allowed = { compiler, pure },
		denied = {
			{ "str%w*dup", "strerror.*", "cfw_time_now", "cfw_alloc_std" },
			{ "cfw_page_.*", "cfw_value_.*", "cfw_buf_.*", "cfw_log_.*" },
		},
	},
	base = { below = {}, allowed = { compiler, pure, system }, denied = {} },
	-- The library never prints, exits or aborts.
	adapters = { denied = { prints, ends, forked } },
	host = { denied = { prints, ends } },
	policy = {
		denied = { prints, ends, forked },
		-- a script's own print and io.write: nobody else's words
		spared = { ["output.o"] = { "stdout", "stderr" } },
	},
	view = { denied = { prints, ends, forked } },
	-- the end of a process that was told to be ours: curfew_own_exit
	curfew = { denied = { prints, ends, forked }, spared = { ["curfew_exit.o"] = { "_exit", "exit" } } },
	sim = { denied = { prints, ends, forked } },
}

local function any(lists, name)
	for _, list in ipairs(lists) do
		for _, pattern in ipairs(list) do
			if name:find("^" .. pattern .. "$") then
				return true
			end
		end
	end
	return false
end

local function defined_in(room, set)
	for _, line in ipairs(lines_of(("nm -g --defined-only -P '%s/%s.a'"):format(build, room))) do
		local name = line:match "^(%S+) %a "
		if name then
			set[name] = true
		end
	end
	return set
end

local function check_archive(room, rules)
	local archive = io.open(("%s/%s.a"):format(build, room))
	if not archive then
		return fault("%s/%s.a: not built", build, room)
	end
	archive:close()
	local known, object = defined_in(room, {}), room .. ".a"
	for _, lower in ipairs(rules.below or {}) do
		defined_in(lower, known)
	end
	for _, line in ipairs(lines_of(("nm -u -P '%s/%s.a'"):format(build, room))) do
		object = line:match "%[(.-)%]:$" or object
		local name = line:match "^(%S+) [Uvw]"
		local spared = rules.spared and rules.spared[object]
		if name and any(rules.denied, name) and not (spared and any({ spared }, name)) then
			fault("%s/%s: may not use %s", room, object, name)
		elseif name and rules.allowed and not known[name] and not any(rules.allowed, name) then
			fault("%s/%s: %s is not on its list", room, object, name)
		end
	end
end

check_files()
if build then
	for room, rules in pairs(archives) do
		check_archive(room, rules)
	end
end
os.exit(faults == 0)
