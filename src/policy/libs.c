/* libs.c: the globals of a script: Lua's own, but no bytecode, no way around the budget, and os.exit as a trigger. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "policy/embedded.h"
#include "policy/failure.h"
#include "policy/source.h"
#include "policy/state.h"

#define GLOBALS "curfew.globals" /* those that our modules see: a script may take its own away */
static int load_file(lua_State *L, const char *path)
{
	if (!path && cfw_policy_of(L)->config.sandbox)
		return luaL_error(L, "Lua from the standard input is not there in the sandbox");
	return path ? cfw_source_load(L, "file", path, path) : luaL_loadfilex(L, NULL, "t");
}

/* load with its mode forced to "t": bytecode can break the interpreter. */
static int l_load(lua_State *L)
{
	const char *mode = luaL_optstring(L, 3, "bt");
	int n = lua_gettop(L);
	if (!strchr(mode, 't')) {
		lua_pushnil(L);
		lua_pushliteral(L, "attempt to load a binary chunk: curfew loads text only");
		return 2;
	}
	if (n < 3)
		lua_settop(L, n = 3);
	lua_pushliteral(L, "t");
	lua_replace(L, 3);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, n, LUA_MULTRET);
	return lua_gettop(L);
}

static int l_loadfile(lua_State *L)
{
	const char *name = luaL_optstring(L, 1, NULL);
	bool env = !lua_isnone(L, 3);
	if (load_file(L, name) != LUA_OK) {
		lua_pushnil(L);
		lua_insert(L, -2);
		return 2;
	}
	if (env) {
		lua_pushvalue(L, 3);
		if (!lua_setupvalue(L, -2, 1))
			lua_pop(L, 1);
	}
	return 1;
}

static int end_dofile(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	return lua_gettop(L) - 1;
}

static int l_dofile(lua_State *L)
{
	const char *name = luaL_optstring(L, 1, NULL);
	lua_settop(L, 1);
	if (load_file(L, name) != LUA_OK)
		return lua_error(L);
	lua_callk(L, 0, LUA_MULTRET, 0, end_dofile);
	return end_dofile(L, 0, 0);
}

/* package.searchers[2]: a Lua file, as text. */
static int search_lua(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const char *kept = cfw_source_module(L, name);
	if (kept) {
		lua_pushstring(L, kept);
	} else {
		lua_getfield(L, lua_upvalueindex(1), "searchpath");
		lua_pushvalue(L, 1);
		if (lua_getfield(L, lua_upvalueindex(1), "path") != LUA_TSTRING)
			return luaL_error(L, "'package.path' must be a string");
		lua_call(L, 2, 2);
		if (lua_isnil(L, -2))
			return 1; /* where it was looked for */
		lua_pop(L, 1);
	}
	const char *file = lua_tostring(L, -1);
	if (cfw_source_load(L, "module", name, file) != LUA_OK)
		return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, file, lua_tostring(L, -1));
	lua_insert(L, -2);
	return 2;
}

/* package.preload: the bytecode of an embedded module is read when it is first required. */
static int load_embedded(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	const struct cfw_embedded *e = cfw_embedded;
	while (e->module && strcmp(e->module, name) != 0)
		e++;
	if (!e->module)
		return luaL_error(L, "no embedded module '%s'", name);
	if (luaL_loadbufferx(L, (const char *)e->code, e->size, e->module, "b") != LUA_OK)
		return lua_error(L);
	/* a state without a policy keeps none; a module that uses none has no place for them */
	if (lua_getfield(L, LUA_REGISTRYINDEX, GLOBALS) != LUA_TTABLE || !lua_setupvalue(L, -2, 1))
		lua_pop(L, 1);
	lua_pushvalue(L, 1);
	lua_call(L, 1, 1);
	return 1;
}

void cfw_preload_embedded(lua_State *L, bool tools)
{
	for (const struct cfw_embedded *e = cfw_embedded; e->module; e++) {
		if (e->tool && !tools)
			continue;
		lua_pushcfunction(L, load_embedded);
		lua_setfield(L, -2, e->module);
	}
}

static void open_package(lua_State *L)
{
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "searchers");
	lua_pushvalue(L, -2);
	lua_pushcclosure(L, search_lua, 1);
	lua_rawseti(L, -2, 2);
	lua_pop(L, 1);
	lua_getfield(L, -1, "preload");
	cfw_preload_embedded(L, false);
	lua_pushcfunction(L, cfw_open_core);
	lua_setfield(L, -2, "curfew.core");
	lua_pop(L, 2);
}

static void open_globals(lua_State *L)
{
	static const luaL_Reg plain[] = {
		{"loadfile", l_loadfile}, {"dofile", l_dofile}, {"xpcall", cfw_l_xpcall}, {NULL, NULL}};
	lua_pushglobaltable(L);
	luaL_setfuncs(L, plain, 0);
	lua_getfield(L, -1, "load");
	lua_pushcclosure(L, l_load, 1);
	lua_setfield(L, -2, "load");
	lua_pop(L, 1);
	lua_getglobal(L, "os");
	lua_pushboolean(L, 1);
	lua_getfield(L, -2, "exit");
	lua_pushcclosure(L, cfw_l_exit, 2);
	lua_setfield(L, -2, "exit");
	lua_pop(L, 1);
	lua_getglobal(L, "debug");
	lua_pushnil(L);
	lua_setfield(L, -2, "sethook");
	lua_pop(L, 1);
	/* A file's finalizer is C; a script must not put a loop in its place. */
	luaL_getmetatable(L, LUA_FILEHANDLE);
	lua_pushliteral(L, LUA_FILEHANDLE);
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 1);
}

static bool is_c(lua_State *L, lua_State *of, int level)
{
	lua_Debug ar;
	(void)L;
	return lua_getstack(of, level, &ar) && lua_getinfo(of, "S", &ar) && *ar.what == 'C';
}

/* debug.getlocal and setlocal, Lua's own as the upvalue: not of C functions, which trust what is on their stacks. */
static int l_local(lua_State *L)
{
	lua_State *of = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
	int arg = of == L && !lua_isthread(L, 1) ? 1 : 2;
	/* level 0 is this function itself, as it is for Lua's own */
	if (lua_isinteger(L, arg) && is_c(L, of, (int)lua_tointeger(L, arg)))
		return 0;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	if (of == L && lua_isinteger(L, arg + 1) && lua_tointeger(L, arg + 1) > 0) { /* one call further in */
		lua_pushinteger(L, lua_tointeger(L, arg + 1) + 1);
		lua_replace(L, arg + 1);
	}
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* debug.setupvalue, Lua's own as the upvalue: not of C functions. */
static int l_setupvalue(lua_State *L)
{
	if (lua_iscfunction(L, 1))
		return 0;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* debug.getmetatable: of a userdata, whose finalizer is C, no more than getmetatable gives. */
static int l_debug_getmetatable(lua_State *L)
{
	luaL_checkany(L, 1);
	if (!lua_getmetatable(L, 1))
		return 0;
	if (lua_type(L, 1) != LUA_TUSERDATA)
		return 1;
	lua_pushliteral(L, "curfew");
	return 1;
}

/* debug.setmetatable, as finalize.c made it, in the upvalue: not of a userdata. */
static int l_debug_setmetatable(lua_State *L)
{
	if (lua_type(L, 1) == LUA_TUSERDATA)
		return luaL_error(L, "cannot change the metatable of a userdata");
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

static void wrap(lua_State *L, const char *name, lua_CFunction f)
{
	lua_getfield(L, -1, name);
	lua_pushcclosure(L, f, 1);
	lua_setfield(L, -2, name);
}

/* What could make C code run on what it did not put there. */
static void open_debug(lua_State *L)
{
	lua_getglobal(L, "debug");
	lua_pushnil(L);
	lua_setfield(L, -2, "getregistry");
	lua_pushnil(L);
	lua_setfield(L, -2, "setuservalue");
	wrap(L, "getlocal", l_local);
	wrap(L, "setlocal", l_local);
	wrap(L, "setupvalue", l_setupvalue);
	wrap(L, "getmetatable", l_debug_getmetatable);
	wrap(L, "setmetatable", l_debug_setmetatable);
	lua_pop(L, 1);
}

static void keep_globals(lua_State *L)
{
	lua_newtable(L);
	lua_pushglobaltable(L);
	for (lua_pushnil(L); lua_next(L, -2);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -5);
	}
	lua_pop(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, GLOBALS);
}

void cfw_open_libs(lua_State *L)
{
	luaL_openlibs(L);
	open_package(L);
	open_globals(L);
	cfw_open_coroutine(L);
	cfw_open_strings(L);
	cfw_open_tables(L);
	cfw_open_output(L);
	cfw_open_finalizers(L);
	open_debug(L);
	keep_globals(L);
}
