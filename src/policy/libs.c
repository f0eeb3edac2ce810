/* libs.c: the globals of a script: Lua's own, but no bytecode, no way around the budget, and os.exit as a trigger. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "policy/embedded.h"
#include "policy/failure.h"
#include "policy/source.h"
#include "policy/state.h"

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
		lua_setupvalue(L, -2, 1); /* what is loaded from text has its _ENV there, used or not */
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

/* Where a module was looked for, as package.searchpath says it: it may be written there later, and who watches is to see that. */
static void note_absent(lua_State *L, const char *tried)
{
	const struct cfw_policy *p = cfw_policy_of(L);
	char path[4096];
	const char *at = tried, *end;
	while (p->ops->on_source && at && (at = strstr(at, "no file '")) && (end = strchr(at += 9, '\''))) {
		if ((size_t)(end - at) < sizeof path) {
			memcpy(path, at, (size_t)(end - at));
			path[end - at] = '\0';
			p->ops->on_source(p->ud, path);
		}
		at = end;
	}
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
		if (lua_isnil(L, -2)) {
			note_absent(L, lua_tostring(L, -1));
			return 1; /* where it was looked for */
		}
		lua_pop(L, 1);
	}
	const char *file = lua_tostring(L, -1);
	if (cfw_source_load(L, "module", name, file) != LUA_OK)
		return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, file, lua_tostring(L, -1));
	lua_insert(L, -2);
	return 2;
}

/* The stack gets what the embedded module of that name returns; its bytecode is read now. */
static void load_embedded(lua_State *L, const char *name)
{
	const struct cfw_embedded *e = cfw_embedded;
	while (e->module && strcmp(e->module, name) != 0)
		e++;
	assert(e->module); /* only modules of ours come here, with names of others */
	if (luaL_loadbufferx(L, (const char *)e->code, e->size, e->module, "b") != LUA_OK)
		lua_error(L);
	/* a state without a policy keeps none; a module that uses none has no place for them */
	if (lua_getfield(L, LUA_REGISTRYINDEX, CFW_GLOBALS) != LUA_TTABLE || !lua_setupvalue(L, -2, 1))
		lua_pop(L, 1);
	lua_pushstring(L, e->module);
	lua_call(L, 1, 1);
}

/* require as our modules have it: each of them once, whatever a script made of package. */
static int require_embedded(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	lua_settop(L, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, CFW_MODULES);
	if (lua_getfield(L, 2, name) != LUA_TNIL)
		return 1;
	if (strcmp(name, "curfew.core") == 0)
		cfw_open_core(L);
	else
		load_embedded(L, name);
	lua_pushvalue(L, -1);
	lua_setfield(L, 2, name);
	return 1;
}

/* package.preload of a state without a policy. */
static int preload_embedded(lua_State *L)
{
	load_embedded(L, luaL_checkstring(L, 1));
	return 1;
}

void cfw_preload_embedded(lua_State *L)
{
	for (const struct cfw_embedded *e = cfw_embedded; e->module; e++) {
		lua_pushcfunction(L, preload_embedded);
		lua_setfield(L, -2, e->module);
	}
}

/* Of ours, a policy can require these; curfew.core, a table that each who asks has for itself. */
static void preload_public(lua_State *L)
{
	for (const struct cfw_embedded *e = cfw_embedded; e->module; e++) {
		if (!e->open)
			continue;
		lua_pushcfunction(L, require_embedded);
		lua_setfield(L, -2, e->module);
	}
	lua_pushcfunction(L, cfw_open_core);
	lua_setfield(L, -2, "curfew.core");
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
	preload_public(L);
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

/* Written in C, or of an embedded module. */
static bool is_ours(const lua_Debug *ar)
{
	return *ar->what == 'C' || strncmp(ar->source, "=curfew", 7) == 0;
}

static bool is_level_ours(lua_State *of, int level)
{
	lua_Debug ar;
	if (!lua_getstack(of, level, &ar))
		return false;
	lua_getinfo(of, "S", &ar);
	return is_ours(&ar);
}

/* debug.getlocal and setlocal, Lua's own as the upvalue: not of our functions, which trust what is on their stacks. */
static int l_local(lua_State *L)
{
	lua_State *of = lua_isthread(L, 1) ? lua_tothread(L, 1) : L;
	int arg = of == L && !lua_isthread(L, 1) ? 1 : 2;
	/* level 0 is this function itself, as it is for Lua's own */
	if (lua_isinteger(L, arg) && is_level_ours(of, (int)lua_tointeger(L, arg)))
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

static bool is_function_ours(lua_State *L, int i)
{
	lua_Debug ar;
	if (!lua_isfunction(L, i))
		return false;
	lua_pushvalue(L, i);
	lua_getinfo(L, ">S", &ar);
	return is_ours(&ar);
}

/* debug.getupvalue, setupvalue and upvaluejoin, Lua's own as the upvalue: not of our functions. */
static int l_upvalue(lua_State *L)
{
	if (is_function_ours(L, 1) || is_function_ours(L, 3))
		return 0;
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* An object of ours, a server for one: its metatable leads to methods that our own modules call. */
static bool is_object_ours(lua_State *L)
{
	const char *name = luaL_getmetafield(L, 1, "__name") == LUA_TSTRING ? lua_tostring(L, -1) : "";
	bool ours = lua_type(L, 1) == LUA_TUSERDATA || strncmp(name, "curfew", 6) == 0;
	lua_settop(L, 2);
	return ours;
}

/* debug.getmetatable: of a userdata, whose finalizer is C, and of our objects no more than getmetatable gives. */
static int l_debug_getmetatable(lua_State *L)
{
	luaL_checkany(L, 1);
	bool ours = is_object_ours(L);
	if (!lua_getmetatable(L, 1))
		return 0;
	if (ours)
		lua_pushliteral(L, "curfew");
	return 1;
}

/* debug.setmetatable, as finalize.c made it, in the upvalue: not of those. */
static int l_debug_setmetatable(lua_State *L)
{
	luaL_checkany(L, 2);
	if (is_object_ours(L))
		return luaL_error(L, "cannot change the metatable of a userdata or of an object of curfew");
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
	wrap(L, "getupvalue", l_upvalue);
	wrap(L, "setupvalue", l_upvalue);
	wrap(L, "upvaluejoin", l_upvalue);
	wrap(L, "getmetatable", l_debug_getmetatable);
	wrap(L, "setmetatable", l_debug_setmetatable);
	lua_pop(L, 1);
}

/* The value on the top becomes a copy of itself, if it is a library. */
static void copy_library(lua_State *L)
{
	if (!lua_istable(L, -1))
		return;
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, -3);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		lua_rawset(L, -4);
	}
	lua_remove(L, -2);
}

/* Lua's own setmetatable is on the top. */
static void keep_globals(lua_State *L)
{
	lua_newtable(L);
	lua_pushglobaltable(L);
	for (lua_pushnil(L); lua_next(L, -2);) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		if (!lua_rawequal(L, -1, -4)) /* _G stays the script's: what is put in there is for it */
			copy_library(L);
		lua_rawset(L, -5);
	}
	lua_pop(L, 1);
	lua_pushcfunction(L, require_embedded);
	lua_setfield(L, -2, "require");
	lua_insert(L, -2); /* ours have no finalizers: Lua's own setmetatable will do */
	lua_setfield(L, -2, "setmetatable");
	lua_setfield(L, LUA_REGISTRYINDEX, CFW_GLOBALS);
	lua_newtable(L);
	lua_setfield(L, LUA_REGISTRYINDEX, CFW_MODULES);
}

void cfw_open_libs(lua_State *L)
{
	luaL_openlibs(L);
	lua_getglobal(L, "setmetatable");
	open_package(L);
	open_globals(L);
	cfw_open_coroutine(L);
	cfw_open_strings(L);
	cfw_open_tables(L);
	cfw_open_output(L);
	cfw_open_finalizers(L);
	keep_globals(L);
	open_debug(L);
}
