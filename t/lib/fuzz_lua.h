/* fuzz_lua.h: the Lua of the binary, in a state that lives as long as the harness. The fuzzer sees which lines of it follow upon which,
 * as it sees the edges of what is compiled. */
#ifndef T_FUZZ_LUA_H
#define T_FUZZ_LUA_H

#include <lauxlib.h>
#include <lualib.h>

#include "fuzz.h"
#include "policy/embedded.h"

enum { LINES = 1 << 14 };
__attribute__((used, section("__libfuzzer_extra_counters"))) static uint8_t fuzz_lines[LINES];

static void fuzz_line(lua_State *L, lua_Debug *ar)
{
	static uint32_t last;
	lua_getinfo(L, "S", ar);
	uint32_t at = (uint32_t)(ar->currentline * 31) ^ (uint32_t)((uintptr_t)ar->source >> 4) * 2654435761u;
	fuzz_lines[(at ^ last >> 1) % LINES]++;
	last = at;
}

/* The functions that t/fuzz/check.lua returns are the fields of the table at index 1. */
__attribute__((unused)) static lua_State *fuzz_lua(void)
{
	static lua_State *L;
	if (L)
		return L;
	L = luaL_newstate();
	if (!L)
		abort();
	luaL_openlibs(L);
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "preload");
	cfw_preload_embedded(L);
	lua_settop(L, 0);
	lua_sethook(L, fuzz_line, LUA_MASKLINE, 0);
	must(!luaL_dofile(L, "t/fuzz/check.lua"), "%s", lua_tostring(L, -1));
	return L;
}

/* Call the function with what was pushed on top of it; a traceback tells of an error. */
__attribute__((unused)) static void fuzz_call(lua_State *L, const char *name, const char *const *args, const size_t *sizes,
					      int n, int results)
{
	lua_settop(L, 1);
	lua_getglobal(L, "debug");
	lua_getfield(L, -1, "traceback");
	lua_remove(L, -2);
	lua_getfield(L, 1, name);
	for (int i = 0; i < n; i++)
		lua_pushlstring(L, args[i], sizes[i]);
	must(!lua_pcall(L, n, results, 2), "%s", lua_tostring(L, -1));
	lua_remove(L, 2);
}

#endif
