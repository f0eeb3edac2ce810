#!/usr/bin/env lua5.4
-- Everything that a user can write has its place in the man pages, taken from the sources: names, methods, keys, triggers, commands
-- and options. The pages are well-formed, and the commands that the README shows exist.
local tap = dofile "t/lib/tap.lua"

local function read(path)
	local file = assert(io.open(path, "rb"))
	local text = file:read "a"
	file:close()
	return text
end

-- ---- the pages, as macros: what stands behind .Fn, .Va, .Cm and .Fl, by section

local function sections(path)
	local all = { text = read(path) }
	local title = ""
	for line in all.text:gmatch "[^\n]+" do
		title = line:match "^%.S[hs] (.+)$" or title
		all[title] = (all[title] or "") .. line .. "\n"
	end
	return all
end

local policy, command = sections "man/curfew-policy.5", sections "man/curfew.1"

-- The words that follow a macro in a section: `.It Va user , Va group` has user and group.
local function words(text, macro)
	local found = {}
	for line in ((text or "") .. "\n"):gmatch "(%.[^\n]*)\n" do
		local here = false
		for word in line:gmatch "[^%s,]+" do
			if word:find "^%.?%u%l$" or word == "No" or word == "Ns" then
				here = word:gsub("^%.", "") == macro
			elseif here then
				found[word:gsub("^\\%(dq", ""):gsub("\\%(dq$", "")] = true
			end
		end
	end
	return found
end

local function documented(page, section, macro, names, what)
	local found = section and words(page[section], macro) or words(page.text, macro)
	local missing = {}
	for name in pairs(names) do
		if not found[name] then
			missing[#missing + 1] = name
		end
	end
	table.sort(missing)
	tap.is(table.concat(missing, " "), "", what)
end

-- ---- the Lua layer, loaded on a core that does nothing

local c = setmetatable({
	version = "0",
	server_new = function() return 1 end,
	server_info = function() return { name = "x", kind = "http" } end,
	trigger_names = function() return {} end,
	decision = function() return setmetatable({}, { __call = function(d) return d end }) end,
	spawn = function() return {} end,
	rule = function() return true end,
}, { __index = function() return function() end end })
package.preload["curfew.core"] = function() return c end
package.path = "lua/?.lua;lua/?/init.lua"

local real = { require = require, execute = os.execute, popen = io.popen, exit = os.exit }
local curfew = require "curfew"
require, os.execute, io.popen, os.exit = real.require, real.execute, real.popen, real.exit -- luacheck: ignore

local function upvalue(f, wanted)
	for i = 1, 255 do
		local name, value = debug.getupvalue(f, i)
		if not name then
			return nil
		elseif name == wanted then
			return value
		end
	end
end

local function count(t)
	local n = 0
	for _ in pairs(t) do
		n = n + 1
	end
	return n
end

-- Keys of all records that a schema type is made of, however deep.
local function keys_of(f, keys, seen)
	keys, seen = keys or {}, seen or {}
	if type(f) == "table" and type(f[1]) == "function" then
		f = f[1]
	end
	if type(f) ~= "function" or seen[f] then
		return keys
	end
	seen[f] = true
	for i = 1, 255 do
		local name, value = debug.getupvalue(f, i)
		if not name then
			break
		elseif name == "fields" then
			for key, field in pairs(value) do
				keys[key] = true
				keys_of(field, keys, seen)
			end
		elseif type(value) == "function" then
			keys_of(value, keys, seen)
		end
	end
	return keys
end

local function prefixed(names, prefix)
	local out = {}
	for name, value in pairs(names) do
		if type(name) == "string" and not name:find "^__" and type(value) == "function" then
			out[prefix .. name] = true
		end
	end
	return out
end

-- What `require "curfew"` has.
local module_of = upvalue(debug.getmetatable(curfew).__index, "module_of")
local functions, values = {}, { ["curfew.state"] = true, ["curfew.version"] = true }
for name in pairs(module_of) do
	local what = curfew[name]
	if type(what) == "function" then
		functions["curfew." .. name] = true
	elseif type(what) == "table" then -- curfew.fs, curfew.log
		for member in pairs(what) do
			functions["curfew." .. name .. "." .. member] = true
		end
	end
end
for name in pairs(words(policy.text, "Fn")) do
	if name:find "^curfew%." then -- decisions are values that can be called
		local what = curfew
		for member in name:match "^curfew%.(.+)$":gmatch "[^.]+" do
			local ok, value = pcall(function() return what[member] end)
			what = ok and value or nil
		end
		tap.ok(what ~= nil, name .. " is documented and is there")
	end
end
tap.ok(count(functions) > 30, "the sources name functions")
documented(policy, nil, "Fn", functions, "every function of curfew is in curfew-policy(5)")
documented(policy, nil, "Va", values, "… and every value")
local decisions = {}
for name in pairs(require "curfew.decisions") do
	decisions["curfew." .. name] = true
end
local shown = words(policy["Decisions"], "Fn")
for name in pairs(words(policy["Decisions"], "Va")) do
	shown[name] = true
end
for name in pairs(decisions) do
	tap.ok(shown[name], name .. " is a documented decision")
end

local handle = curfew.server { name = "x", start = function() end }
local server_methods = prefixed(upvalue(debug.getmetatable(handle).__index, "methods"), "server:")
local server_fields = {}
for _, name in ipairs(upvalue(upvalue(debug.getmetatable(handle).__index, "members"), "FIELDS")) do
	server_fields[name] = true
end
documented(policy, "Servers", "Fn", server_methods, "every method of a server")
documented(policy, "Servers", "Va", server_fields, "every field of a server")

local task = curfew.spawn(function() end)
documented(policy, "Tasks and timers", "Fn", prefixed(debug.getmetatable(task), "task:"), "every method of a task")
local Conn = upvalue(require "curfew.conn", "Conn")
documented(policy, "TCP servers", "Fn", prefixed(Conn, "conn:"), "every method of a connection")
local web = require "curfew.web"
local Res = upvalue(web, "Res")
documented(policy, "Requests and replies", "Fn", prefixed(Res, "res:"), "every method of a reply")
local hooks = require "curfew.hooks"
local ctx = upvalue(upvalue(upvalue(hooks.call, "prepare"), "meta").__index, "methods")
documented(policy, "Hooks", "Fn", prefixed(ctx, "ctx:"), "every method of a context")
for _, t in ipairs { server_methods, server_fields, Conn, Res, ctx } do
	assert(count(t) > 0)
end

-- Keys.
local kinds = require "curfew.kinds"
local common = keys_of(kinds.server)
for _, key in ipairs { "start", "stop", "abort" } do
	common[key] = nil
end
documented(policy, "Servers", "Va", common, "every key that all servers have")
for kind, title in pairs {
	http = "HTTP servers",
	tcp = "TCP servers",
	process = "Child processes",
	server = "Servers of Lua functions",
} do
	local own = keys_of(kinds[kind])
	for key in pairs(common) do
		own[key] = nil
	end
	tap.ok(count(own) >= 3, ("the sources name keys of curfew.%s"):format(kind))
	documented(policy, title, "Va", own, ("every key of curfew.%s"):format(kind))
end
documented(policy, "Configuration", "Va", keys_of((require "curfew.settings")), "every key of curfew.configure")
for _, f in ipairs { curfew.exec, curfew.fetch, curfew.fs.read, curfew.fs.write } do
	local keys = keys_of(upvalue(f, "options") or upvalue(f, "read_options") or upvalue(f, "write_options"))
	tap.ok(count(keys) > 0, "the sources name options")
	documented(policy, "Programs, requests and files", "Va", keys, "… and the page has them")
end
documented(policy, "Hooks", "Va", keys_of(upvalue(hooks.add, "options")), "every option of a hook")

-- Triggers: those that the default policy knows; crash and stall are the guardian's, which is not there yet.
local later = { crash = true, stall = true }
local triggers = {}
for name in pairs(require "curfew.default") do
	triggers[name] = not later[name] or nil
end
tap.ok(count(triggers) >= 10, "the sources name triggers")
documented(policy, "Triggers and rules", "Cm", triggers, "every trigger is in curfew-policy(5)")
local readme = read "README.md"
for name in pairs(triggers) do
	tap.ok(readme:find("| `" .. name, 1, true) or readme:find("`, `" .. name .. "`", 1, true), "the README's table has " .. name)
end

-- ---- annotations: lua/curfew/meta says the same, and nothing that is not there

-- { class = { name = true } }: the fields and functions of each class.
local function annotations(path)
	local classes, by_local, class = {}, {}, nil
	for line in io.lines(path) do
		local new = line:match "^%-%-%-@class ([%w_.]+)"
		local field = line:match "^%-%-%-@field ([%w_]+)%??%s"
		local variable = line:match "^local ([%w_]+) = {}"
		local owner, name = line:match "^function ([%w_]+)[.:]([%w_]+)%("
		class = new or class
		if new then
			classes[new] = classes[new] or {}
		elseif field then
			classes[class][field] = true
		elseif variable then
			by_local[variable] = class
		elseif owner then
			classes[by_local[owner]][name] = true
		end
	end
	return classes
end

local function names_of(...)
	local out = {}
	for _, set in ipairs { ... } do
		for name in pairs(set) do
			out[name:match "[^.:]+$"] = true
		end
	end
	return out
end

local function same_names(annotated, real_names, what)
	local odd = {}
	for name in pairs(annotated) do
		odd[#odd + 1] = not real_names[name] and "-" .. name or nil
	end
	for name in pairs(real_names) do
		odd[#odd + 1] = not annotated[name] and "+" .. name or nil
	end
	table.sort(odd)
	tap.is(table.concat(odd, " "), "", what .. ": what is annotated is what there is")
end

local meta = annotations "lua/curfew/meta/curfew.lua"
local top = { state = true, version = true }
for name in pairs(module_of) do
	top[name] = true
end
same_names(meta["curfew"], top, "curfew")
same_names(meta["curfew.fs"], curfew.fs, "curfew.fs")
same_names(meta["curfew.log"], curfew.log, "curfew.log")
same_names(meta["curfew.server"], names_of(server_methods, server_fields), "a server")
same_names(meta["curfew.task"], names_of(prefixed(debug.getmetatable(task), "task:")), "a task")
same_names(meta["curfew.reply"], names_of(prefixed(Res, "")), "a reply")
local connection = names_of(prefixed(Conn, ""))
connection.peer = true
same_names(meta["curfew.connection"], connection, "a connection")
for name in pairs(ctx) do
	tap.ok(meta["curfew.ctx"][name], "ctx:" .. name .. " is annotated")
end
local context = words(policy["Hooks"], "Va")
for name in pairs(meta["curfew.ctx"]) do
	tap.ok(context["ctx." .. name] or ctx[name], "ctx." .. name .. " is in curfew-policy(5)")
end
for name in pairs(words(policy["Requests and replies"], "Va")) do
	local field = name:match "^req%.(%w+)$"
	tap.ok(not field or meta["curfew.request"][field], name .. " is annotated")
end
local settings = { meta["curfew.settings"] }
for i, name in ipairs { "health", "control", "log" } do
	settings[i + 1] = meta["curfew." .. name .. "_options"]
end
same_names(names_of(table.unpack(settings)),
	keys_of((require "curfew.settings")), "curfew.configure")
local shared_options = names_of(meta["curfew.server_options"], meta["curfew.restart_options"])
for kind, more in pairs {
	http = { "http_options" },
	tcp = { "tcp_options" },
	process = { "process_options", "ready_options", "stop_step" },
	server = { "function_options" },
} do
	local sets = { shared_options }
	for _, name in ipairs(more) do
		sets[#sets + 1] = meta["curfew." .. name]
	end
	same_names(names_of(table.unpack(sets)), keys_of(kinds[kind]), "curfew." .. kind)
end
same_names(meta["curfew.hook_options"], keys_of(upvalue(hooks.add, "options")), "options of a hook")
same_names(meta["curfew.exec_command"], keys_of(upvalue(curfew.exec, "options")), "curfew.exec")
same_names(meta["curfew.fetch_options"], keys_of(upvalue(curfew.fetch, "options")), "curfew.fetch")
local alias = read("lua/curfew/meta/curfew.lua"):match "@alias curfew.trigger_name\n(.-)\n\n"
for name in pairs(triggers) do
	tap.ok(alias:find('"' .. name .. '"', 1, true), "the trigger " .. name .. " is annotated")
end

local simulated = annotations "lua/curfew/meta/sim.lua"
local function written(path, owner, private)
	local found = {}
	for name in read(path):gmatch("\nfunction " .. owner .. "[.:]([%w_]+)%(") do
		found[name] = not private[name] or nil
	end
	for name, other in read(path):gmatch("\n" .. owner .. "%.([%w_]+) = " .. owner .. "%.([%w_]+)") do
		found[name] = found[other]
	end
	return found
end
same_names(simulated["curfew.sim"], written("lua/curfew/sim.lua", "sim", { run_all = true }), "curfew.sim")
same_names(simulated["curfew.sim.test"], written("lua/curfew/sim/test.lua", "Test", { run = true }), "a test")
same_names(simulated["curfew.sim.server"], written("lua/curfew/sim/run.lua", "Server", {}), "a server of a test")
local of_run = written("lua/curfew/sim/run.lua", "Run", { describe = true, close = true })
of_run.exit_code, of_run.ended_at, of_run.timeline = true, true, true
same_names(simulated["curfew.sim.run"], of_run, "a run of a test")
for _, name in ipairs { "curfew", "sim" } do
	tap.ok(loadfile("lua/curfew/meta/" .. name .. ".lua", "t"), name .. ".lua of the annotations is Lua")
end

-- luacheck, as it is told of policies: nothing to say of ours, something of a mistake.
local function luacheck(path)
	local pipe = assert(io.popen("luacheck -q --no-color --no-cache --config lua/curfew/meta/luacheckrc " .. path .. " 2>&1"))
	local said = pipe:read "a"
	return pipe:close(), said
end
tap.ok(luacheck "examples/*.lua lua/init/*.lua t/policies/*.lua", "luacheck has nothing to say of the examples")
do
	local wrong = os.tmpname()
	local out = assert(io.open(wrong, "w"))
	out:write 'local curfew = require "curfew"\nos = nil\nfunction stopp() curfew.exit(x) end\n'
	out:close()
	local _, found = luacheck(wrong)
	os.remove(wrong)
	for _, mistake in ipairs { "'os'", "'stopp'", "'x'" } do
		tap.ok(found:find(mistake, 1, true), "luacheck finds " .. mistake)
	end
end

-- ---- commands and options

local main = read "src/bin/main.c"
local list = assert(main:match "cfw_commands%[%] = (%b{})", "main.c lists the commands")
for name in list:gmatch "cfw_command_(%w+)" do
	tap.ok(words(command["DESCRIPTION"], "Cm")[name], name .. " is in curfew(1)")
end
local run = read "src/bin/cmd_run.c"
local options = 0
for name in run:gmatch '{"([%w-]+)", %w+_argument' do
	options = options + 1
	local there = words(command["Options of run"], "Fl")["-" .. name] or words(command["The sandbox"], "Fl")["-" .. name]
	tap.ok(there, "--" .. name .. " is in curfew(1)")
	tap.ok(run:find("%-%-" .. name:gsub("%-", "%%-") .. "[ \\]") or name == "help", "--" .. name .. " is in the help")
end
tap.ok(options >= 8, "cmd_run.c has options")
for name in pairs(words(command["Options of run"], "Fl")) do
	local long = name:match "^%-(.+)"
	tap.ok(not long or run:find('{"' .. long .. '"', 1, true), "curfew(1)'s -" .. name .. " is there")
end

-- What check knows has its place too: rules and options.
local check = sections "man/curfew-check.1"
local rules = {}
for name in read "lua/curfew/check/findings.lua":gmatch 'id = "([%l%d-]+)"' do
	rules[name] = true
end
tap.ok(count(rules) >= 7, "findings.lua has rules")
documented(check, "DESCRIPTION", "Cm", rules, "every rule of check is in curfew-check(1)")
local check_help = read "src/bin/cmd_check.c"
for name in pairs(rules) do
	tap.ok(check_help:find(name, 1, true), name .. " is in check's help")
end
for name in read "lua/curfew/check/options.lua":gmatch "function takes%.(%l+)" do
	tap.ok(words(check["Options"], "Fl")["-" .. name], "--" .. name .. " is in curfew-check(1)")
	tap.ok(check_help:find("--" .. name, 1, true), "--" .. name .. " is in check's help")
end

-- What a test can say.
local sim_page = sections "man/curfew-test.1"
for file, prefix in pairs { test = "t:", run = "run:" } do
	local methods = {}
	for class, name in read("lua/curfew/sim/" .. file .. ".lua"):gmatch "\nfunction (%u%l+):(%l[%l_]*)%(" do
		methods[(class == "Server" and "server:" or prefix) .. name] = true
	end
	methods["run:describe"], methods["run:close"] = nil, nil -- for test.lua
	tap.ok(count(methods) >= 8, file .. ".lua has methods")
	documented(sim_page, nil, "Fn", methods, "every method of " .. file .. ".lua is in curfew-test(1)")
end

for _, name in ipairs { "plan", "test" } do
	local page, source = sections("man/curfew-" .. name .. ".1"), read("src/bin/cmd_" .. name .. ".c")
	for option in source:gmatch '{"([%w-]+)", required_argument' do
		tap.ok(words(page.text, "Fl")["-" .. option], ("--%s is in curfew-%s(1)"):format(option, name))
		tap.ok(source:find("--" .. option .. " ", 1, true), ("--%s is in %s's help"):format(option, name))
	end
end

-- The synopsis of curfew run: what takes no --allow… of its own.
do
	local synopsis = read("man/curfew.1"):match "%.Sh SYNOPSIS\n(.-)\n%.Sh "
	local n = 0
	for option in read("src/bin/cmd_run.c"):gmatch '"%s+%-?%a?,?%s*%-%-([a-z-]+)' do
		if not option:find "^allow" and option ~= "limit" and option ~= "policy" and option ~= "quiet" and option ~= "help" then
			n = n + 1
			tap.ok(synopsis:find(".Op Fl -" .. option, 1, true), ("--%s is in the synopsis of curfew(1)"):format(option))
		end
	end
	tap.ok(n >= 10, "curfew run has options")
end

-- The control API: every path that the sources know.
local api = read "man/curfew-control.7"
local paths = 0
for path in read("src/shell/control_routes.c"):gmatch '"(/v1/[^"]+)", [%w_]+, [%w_]+, "' do
	paths = paths + 1
	tap.ok(api:find((path:gsub("%*", "NAME")), 1, true), path .. " is in curfew-control(7)")
end
tap.ok(paths >= 18, "control_routes.c has paths")

-- Each metric is in the manual, and nothing there is made up.
local measured = 0
for name in read("src/view/metrics.c"):gmatch '"(curfew_[%w_]+)"' do
	measured = measured + 1
	tap.ok(api:find(".It " .. name .. " Ta", 1, true), name .. " is in curfew-control(7)")
end
tap.ok(measured >= 30, "metrics.c has metrics")
for name in api:gmatch "%.It (curfew_[%w_]+) Ta" do
	tap.ok(read("src/view/metrics.c"):find('"' .. name .. '"', 1, true), name .. " of curfew-control(7) is there")
end

-- ---- the library

local overview, functions = read "man/curfew.3", 0
for name in read("src/include/curfew.h"):gmatch "\nCURFEW_API [^(]-([%w_]+)%(" do
	functions = functions + 1
	tap.ok(overview:find("Fn " .. name .. "%f[^%w_]"), name .. " is in curfew(3)")
end
tap.ok(functions >= 30, "curfew.h has functions")
local named = words(overview, "Fn")
local header = read "src/include/curfew.h"
for name in pairs(named) do
	tap.ok(header:find(name, 1, true) or name:find "_attach$" or not name:find "^curfew_", name .. " of curfew(3) is there")
end
-- What the page of an afternoon shows is what the example is.
local afternoon = read("examples/embed/afternoon.c"):gsub("%s+", " ")
local shown = 0
for block in read("man/curfew-embed.7"):gmatch "%.Bd [^\n]+\n(.-)%.Ed" do
	if block:find "curfew_[%w_]+%(" then
		for line in block:gmatch "[^\n]+" do
			local code = line:gsub("\\e", "\\"):gsub("/%*.-%*/", ""):gsub("^%s+", ""):gsub("%s+$", "")
			if #code > 3 and not code:find "^#" then
				shown = shown + 1
				local bare = code:gsub("^return ", ""):gsub(";$", "")
				tap.ok(afternoon:find(code, 1, true) or afternoon:find((bare:gsub("^if ", "")), 1, true), "afternoon.c: " .. code)
			end
		end
	end
end
tap.ok(shown >= 15, "the page shows code")
local host = read "src/module/host.c"
for name in host:gmatch '{"([%w_]+)", l_[%w_]+}' do
	tap.ok(read("man/curfew-embed.7"):find("Fn h:" .. name .. "%f[^%w_]"), "h:" .. name .. " is in curfew-embed(7)")
end

-- ---- nginx: directives and the variable

local nginx = read "man/curfew-nginx.7"
local nginx_source = read "src/hosts/nginx/module.c" .. read "src/hosts/nginx/http.c"
local directives = 0
for name in nginx_source:gmatch '[(N]%(?"(curfew_%l[%l_]+)"' do
	directives = directives + 1
	tap.ok(nginx:find("\n.It Ic " .. name, 1, true) or nginx:find(".Va $" .. name, 1, true), "curfew-nginx(7) has " .. name)
end
tap.ok(directives >= 9, "the module's directives were found")
for name in nginx:gmatch "%.It Ic (curfew_[%l_]+)" do
	tap.ok(nginx_source:find('"' .. name .. '"', 1, true), name .. " of curfew-nginx(7) is there")
end

-- ---- form

for _, page in ipairs { "man/curfew.1", "man/curfew-check.1", "man/curfew-plan.1", "man/curfew-test.1", "man/curfew-policy.5",
	"man/curfew-control.7", "man/curfew.3", "man/curfew-embed.7", "man/curfew-nginx.7" } do
	local lint = io.popen("mandoc -Tlint -W warning " .. page .. " 2>&1")
	local said = lint:read "a"
	lint:close()
	tap.is(said, "", page .. " is well-formed")
end

local makefile = read "Makefile"
for path in io.popen("ls t/*/rules.mk bench/rules.mk"):lines() do
	makefile = makefile .. read(path)
end
local targets = 0
for target in readme:gsub("luarocks make", ""):gmatch "`?make ([%l-]+)" do
	targets = targets + 1
	tap.ok(makefile:find("\n" .. target .. ":", 1, true), "the README's make " .. target .. " is a target")
end
tap.ok(targets >= 4, "the README shows make's targets")
for example in readme:gmatch "examples/([%w-]+%.lua)" do
	tap.ok(io.open("examples/" .. example), "the README's examples/" .. example .. " is there")
end

tap.done()
