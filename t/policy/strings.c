#define _GNU_SOURCE
/* Our string functions and Lua's own say the same, of everything; and long calls are left. */
#include <lauxlib.h>
#include <lualib.h>

#include "fake.h"
#include "policy/state.h"

/* Both sets in one state: compare what they return, or the errors they raise. */
static const char same[] =
	"local own, ours, seed = ...\n"
	"math.randomseed(seed)\n"
	"local bad = {}\n"
	"local function show(...) local t = table.pack(...) for i = 1, t.n do local v = t[i] "
	"t[i] = type(v) == 'string' and ('%q'):format(v) or tostring(v) end return table.concat(t, ',', 1, t.n) end\n"
	"local n = 0\n"
	"local function both(name, ...)\n"
	"  n = n + 1\n"
	"  local f = own[name] local a = show(pcall(f, ...)) f = ours[name] local b = show(pcall(f, ...))\n"
	"  a, b = a:gsub(\"argument #(%d) to '[^']*'\", '%1'), b:gsub(\"argument #(%d) to '[^']*'\", '%1')\n"
	"  a, b = a:gsub('function: .*', ''), b:gsub('function: .*', '')\n"
	"  if a ~= b and #bad < 5 then bad[#bad + 1] = name .. '(' .. show(...) .. '): ' .. a .. ' | ' .. b end\n"
	"end\n"
	"local function walk(f, ...)\n"
	"  local out = {}\n"
	"  local ok, message = pcall(function(...) for a, b in f(...) do out[#out + 1] = show(a, b) if #out > 50 then break "
	"end end "
	"end, ...)\n"
	"  return table.concat(out, ';') .. tostring(ok) .. tostring(message)\n"
	"end\n"
	"local bits = { 'a', 'b', '.', '%a', '%d', '%s', '%w', '%W', '[ab]', '[^a]', '[a-c]', '[%a_]', '[]]', '[^]a]', '[a-]', "
	"'*', "
	"'+', '-', '?', '(', ')', '()', '%1', '%2', '%0', '%b()', '%bab', '%f[%w]', '%f[^a]', '^', '$', '%', '[', ']', '%.', "
	"'%%', "
	"'\\0', 'z', '%z', '%x', '%p', '%g', '%C', '%f', '%b', '%b(' }\n"
	"local chars = { 'a', 'b', 'c', '(', ')', ' ', '1', '_', '.', '\\0', '-', ']', '%', 'aa', 'ab', '\\xff' }\n"
	"local function word(list, most) local t = {} for i = 1, math.random(0, most) do t[i] = list[math.random(#list)] end "
	"return table.concat(t) end\n"
	"local repls = { 'x', '%0', '%1', '%2', '<%1%%%0>', '%', '%9', '%a', { a = 'A', b = false, ab = 3 }, "
	"function(a, b) return a ~= 'a' and b or nil end, function() return true end, {}, 7, 'a%' }\n"
	"for round = 1, 30000 do\n"
	"  local s, p = word(chars, 8), word(bits, 6)\n"
	"  local init = ({ 1, 1, 2, 0, -1, -3, 9, 100, -100, 3 })[math.random(10)]\n"
	"  both('find', s, p) both('find', s, p, init) both('find', s, p, init, true) both('match', s, p, init)\n"
	"  both('gsub', s, p, repls[math.random(#repls)]) both('gsub', s, p, 'x', math.random(0, 3))\n"
	"  both('rep', s, math.random(-1, 5), math.random() < 0.5 and word(chars, 2) or nil)\n"
	"  local a, b = walk(own.gmatch, s, p, init), walk(ours.gmatch, s, p, init)\n"
	"  if a ~= b and #bad < 5 then bad[#bad + 1] = 'gmatch(' .. show(s, p, init) .. '): ' .. a .. ' | ' .. b end\n"
	"end\n"
	"for _, name in ipairs { 'find', 'match', 'gsub', 'gmatch', 'rep' } do\n"
	"  both(name) both(name, 'a') both(name, {}, 'a') both(name, 'a', {}) both(name, 'a', 'a', {}) both(name, 'a', 'a', "
	"'x', 'y') "
	"both(name, 12, 1, '1') both(name, 'a', nil)\n"
	"end\n"
	"both('rep', 'ab', math.maxinteger) both('rep', 'a', 3.0) both('rep', 'a', 3.5)\n"
	"both('find', ('a'):rep(300), ('a?'):rep(300) .. ('a'):rep(300)) both('find', 'a', ('(a)'):rep(40)) both('find', 'x', "
	"('('):rep(33))\n"
	"both('match', ('(x'):rep(3), ('%(x'):rep(3)) both('gsub', ('a'):rep(100), '', '-') both('find', '', '') both('find', "
	"'a', '', "
	"2) both('find', 'a', '', 3)\n"
	"return n, table.concat(bad, '\\n')\n";

static int run(lua_State *L)
{
	lua_Integer seed = lua_tointeger(L, 1);
	luaL_openlibs(L);
	luaL_loadbufferx(L, same, sizeof same - 1, "=same", "t");
	lua_newtable(L); /* Lua's own */
	lua_getglobal(L, "string");
	for (lua_pushnil(L); lua_next(L, -2);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_settable(L, -5);
	}
	lua_pop(L, 1);
	cfw_open_strings(L);
	lua_getglobal(L, "string");
	lua_pushinteger(L, seed);
	lua_call(L, 3, 2);
	return 2;
}

static void compare(lua_Integer seed)
{
	lua_State *L = luaL_newstate();
	memset(lua_getextraspace(L), 0, LUA_EXTRASPACE);
	lua_pushcfunction(L, run);
	lua_pushinteger(L, seed);
	bool ran = lua_pcall(L, 1, 2, 0) == LUA_OK;
	is_str(ran ? lua_tostring(L, -1) : "", "", "as Lua's own string functions, seed %d", (int)seed);
	if (!ran)
		tap_diag("%s", lua_tostring(L, -1));
	ok(ran && lua_tointeger(L, -2) > 100000, "many calls were compared");
	lua_close(L);
}

/* Each would run for minutes at least. */
static void bounded(void)
{
	static const char *const bodies[][2] = {
		{"string.find(('a'):rep(30), ('a-'):rep(25) .. 'b')", "passed hook_cpu_limit"},
		{"string.find(('a'):rep(1000000), '.-b')", "passed hook_cpu_limit"},
		{"string.match(('a'):rep(100000), ('.*'):rep(6) .. 'b')", "passed hook_cpu_limit"},
		{"string.gsub(('a'):rep(1000000), 'a*$b', '')", "passed hook_cpu_limit"},
		{"for _ in string.gmatch(('a'):rep(1000000), 'a*b') do end", "passed hook_cpu_limit"},
		{"string.find(('('):rep(1000000), '%b()')", "passed hook_cpu_limit"},
		{"pcall(string.find, ('a'):rep(1000000), '.-b') while true do end", "passed hook_cpu_limit"},
		{"coroutine.wrap(function() string.find(('a'):rep(1000000), '.-b') end)()", "passed hook_cpu_limit"},
		{"table.move({}, 1, math.maxinteger - 1, 2)", "a range of more than"},
		{"table.move({}, 1, 2 ^ 53, 2)", "a range of more than"},
		{"table.move({}, '1', '9007199254740992', 2)", "a range of more than"},
		{"table.insert(setmetatable({}, {__len = function() return 1 << 50 end}), 1, 1)", "a range of more than"},
		{"table.insert(setmetatable({}, {__len = function() return 1 << 50 end}), 1.0, 1)", "a range of more than"},
		{"table.remove(setmetatable({}, {__len = function() return 1 << 50 end}), '1')", "a range of more than"},
		{"local n = 0 local t = setmetatable({}, {__len = function() n = n + 1 return n == 1 and 1 or 1 << 53 end}) "
		 "table.insert(t, 1, 1) n = 0 table.remove(t, 1) n, t[1] = 0, 1 table.concat(t) error 'done'",
		 "done"}, /* its length is asked for once */
		{"local p = setmetatable({}, {__len = function() return 3 end}) p[1], p[2], p[3] = 'a', 'b', 'c' "
		 "assert(table.remove(p, 1) == 'a' and p[1] == 'b' and p[2] == 'c' and not p[3]) p[3] = 'd' "
		 "table.insert(p, 1, 'z') assert(table.concat(p, '', 1, 4) == 'zbcd') error 'done'",
		 "done"},
		{"table.remove(setmetatable({}, {__len = function() return 1 << 50 end}), 1)", "a range of more than"},
		{"table.concat(setmetatable({}, {__index = {}, __len = function() return 1 << 50 end}))",
		 "a range of more than"},
		{"local t = {} for i = 1, 400000 do t[i] = -i end while true do table.sort(t) table.sort(t, math.ult) end",
		 "passed hook_cpu_limit"},
		{"local s = ('x'):rep(1 << 24) while true do utf8.len(s) end", "passed hook_cpu_limit"},
		{"local s = ('x'):rep(1 << 24) while true do local _ = s:upper() end", "passed hook_cpu_limit"},
		{"string.rep('', math.maxinteger) error 'done'", "done"}, /* Lua's own counts them one by one */
		{"local _ = ('x'):rep(1 << 40)", "not enough memory"},
		{"local _ = ('x'):rep(1 << 62)", "not enough memory"},
	};
	for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
		struct fake *f = fake_new(20 * CFW_MS);
		char src[512];
		uint64_t began = cfw_time_now();
		snprintf(src, sizeof src, "c.hook_new{phase = 'pre_stop', fn = function() %s end}", bodies[i][0]);
		fake_load(f, src);
		struct cfw_hook_call call = {.run = 1, .ref = f->refs[0], .trigger = {.kind = CFW_T_KINDS}, .what = "x"};
		cfw_policy_call(f->p, &call);
		fake_run(f, f->now);
		ok(f->dones == 1 && has(f->done[0].text ? f->done[0].text : "", bodies[i][1]), "S6.5: %s: %s", bodies[i][0],
		   f->dones ? f->done[0].text : "never ends");
		ok(cfw_time_now() - began < 10 * CFW_SEC, "in time");
		fake_free(f);
	}
}

int main(void)
{
	for (lua_Integer seed = 1; seed <= 3; seed++)
		compare(seed);
	bounded();
	return tap_done();
}
