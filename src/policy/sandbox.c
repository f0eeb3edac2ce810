/* sandbox.c: the library of a script that is not trusted (S10.4): what is not on the list is not there, and says so.
 *
 * The list below is all that is left of each library. What a script asks the outside for goes by the policy's ops and is held
 * against the rules there; here goes what would not: files, the environment, the debugger, modules in C, bytecode. Our own modules
 * keep what they have of it in the table of globals that libs.c made for them; a script has no way to that table. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/value.h"
#include "policy/source.h"
#include "policy/state.h"

struct library {
	const char *name;  /* of the global; "_G" for the basic functions */
	const char *keeps; /* names that stay, each between blanks */
	const char *hint;  /* instead of the rest */
};
/* os.execute, io.popen and require are put in their places by the Lua layer: services with rules. */
static const struct library libraries[] = {
	{"_G",
	 " _G _VERSION assert collectgarbage coroutine dofile error getmetatable io ipairs load loadfile math next os pairs "
	 "pcall"
	 " print rawequal rawget rawlen rawset require select setmetatable string table tonumber tostring type utf8 warn "
	 "xpcall ",
	 NULL},
	{"coroutine", " close create isyieldable resume running status wrap yield ", NULL},
	{"math",
	 " abs acos asin atan ceil cos deg exp floor fmod huge log max maxinteger min mininteger modf pi rad random"
	 " randomseed sin sqrt tan tointeger type ult ",
	 NULL},
	{"string", " byte char find format gmatch gsub len lower match pack packsize rep reverse sub unpack upper ", NULL},
	{"table", " concat insert move pack remove sort unpack ", NULL},
	{"utf8", " char charpattern codepoint codes len offset ", NULL},
	{"io", " stderr stdout type write ", "curfew.fs.read and curfew.fs.write are, beneath --allow-read and --allow-write"},
	{"os", " clock date difftime exit getenv time ", "curfew.fs and curfew.exec have what it takes"},
};

/* What takes the place of a function that is not there; upvalues: its name, the hint. */
static int l_missing(lua_State *L)
{
	const char *hint = lua_tostring(L, lua_upvalueindex(2));
	return luaL_error(L, "%s is not there in the sandbox%s%s", lua_tostring(L, lua_upvalueindex(1)), hint ? "; " : "",
			  hint ? hint : "");
}

static void push_missing(lua_State *L, const char *library, const char *name, const char *hint)
{
	lua_pushfstring(L, "%s.%s", library, name);
	lua_pushstring(L, hint);
	lua_pushcclosure(L, l_missing, 2);
}

static bool keeps(const struct library *lib, const char *name)
{
	size_t n = strlen(name);
	for (const char *at = lib->keeps; (at = strstr(at, name)); at += n)
		if (at[-1] == ' ' && at[n] == ' ')
			return true;
	return false;
}

/* The table on the top: each function in it that does not stay is replaced, anything else taken out. */
static void thin_out(lua_State *L, const struct library *lib)
{
	int table = lua_gettop(L);
	lua_newtable(L);
	for (lua_pushnil(L); lua_next(L, table);
	     lua_pop(L, 1)) { /* the names first: a table is not changed while it is walked */
		lua_pushvalue(L, -2);
		lua_pushvalue(L, -2);
		lua_rawset(L, table + 1);
	}
	for (lua_pushnil(L); lua_next(L, table + 1); lua_pop(L, 1)) {
		const char *name = lua_tostring(L, -2); /* as all keys of these tables are */
		if (keeps(lib, name))
			continue;
		lua_pushvalue(L, -2);
		if (lua_isfunction(L, -2))
			push_missing(L, lib->name, name, lib->hint);
		else
			lua_pushnil(L);
		lua_rawset(L, table);
	}
	lua_settop(L, table);
}

/* A library that is not there at all: any use of the name says so. Upvalue: the name. */
static int l_missing_library(lua_State *L)
{
	const char *name = lua_tostring(L, lua_upvalueindex(1));
	const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
	return luaL_error(L, "%s.%s is not there in the sandbox", name, key);
}

static void put_missing_library(lua_State *L, const char *name)
{
	lua_pushglobaltable(L);
	lua_newtable(L);
	lua_createtable(L, 0, 3);
	lua_pushstring(L, name);
	lua_pushcclosure(L, l_missing_library, 1);
	lua_pushvalue(L, -1);
	lua_setfield(L, -3, "__index");
	lua_setfield(L, -2, "__newindex");
	lua_pushstring(L, name);
	lua_setfield(L, -2, "__metatable");
	lua_setmetatable(L, -2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

static bool has(const struct cfw_value *list, const char *word)
{
	for (size_t i = 0; i < cfw_value_len(list); i++)
		if (strcmp(cfw_value_to_str(cfw_value_at(list, i), ""), word) == 0)
			return true;
	return false;
}

static int l_getenv(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	if (!has(cfw_value_get(cfw_policy_of(L)->config.sandbox, "env"), name))
		return luaL_error(L, "the variable %s is not there in the sandbox (--allow-env %s would allow it)", name, name);
	lua_pushstring(L, getenv(name));
	return 1;
}

/* What a script may do about garbage: have it collected, and look. Upvalue: Lua's own. */
static int l_collectgarbage(lua_State *L)
{
	const char *what = luaL_optstring(L, 1, "collect");
	if (strcmp(what, "collect") != 0 && strcmp(what, "count") != 0 && strcmp(what, "step") != 0)
		return luaL_error(
			L, "collectgarbage \"%s\" is not there in the sandbox; \"collect\", \"count\" and \"step\" are", what);
	lua_settop(L, 2);
	lua_pushvalue(L, lua_upvalueindex(1));
	lua_insert(L, 1);
	lua_call(L, 2, 1);
	return 1;
}

/* Modules in C, and whatever else package could load: not even for our own modules. */
static void close_package(lua_State *L)
{
	static const char *const gone[] = {"loadlib", "cpath", "path", "searchpath"};
	lua_getglobal(L, "package");
	for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
		lua_pushnil(L);
		lua_setfield(L, -2, gone[i]);
	}
	lua_getfield(L, -1, "searchers");
	for (int i = (int)lua_rawlen(L, -1); i > 1; i--) { /* the first finds what is embedded */
		lua_pushnil(L);
		lua_rawseti(L, -2, i);
	}
	lua_pop(L, 2);
}

static void thin_libraries(lua_State *L)
{
	for (size_t i = sizeof libraries / sizeof *libraries; i-- > 0;) {
		lua_getglobal(L, libraries[i].name);
		thin_out(L, &libraries[i]);
		lua_pop(L, 1);
	}
}

void cfw_open_sandbox(lua_State *L)
{
	close_package(L);
	thin_libraries(L);
	put_missing_library(L, "debug");
	put_missing_library(L, "package");
	lua_getglobal(L, "os");
	lua_pushcfunction(L, l_getenv);
	lua_setfield(L, -2, "getenv");
	lua_pop(L, 1);
	lua_getglobal(L, "collectgarbage");
	lua_pushcclosure(L, l_collectgarbage, 1);
	lua_setglobal(L, "collectgarbage");
	lua_pushliteral(L, "");
	lua_getmetatable(L, -1);
	lua_pushliteral(L, "string");
	lua_setfield(L, -2, "__metatable");
	lua_pop(L, 2);
}

/* ---- modules ---- */

/* a.b is a/b.lua or a/b/init.lua; nothing but letters, digits, _ and - between the dots, so that no name leaves its folder. */
static bool is_module_name(const char *name)
{
	static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	for (;;) {
		size_t n = strspn(name, word);
		if (!n || (name[n] && name[n] != '.'))
			return false;
		if (!name[n])
			return true;
		name += n + 1;
	}
}

/* c.sandbox_module(name) -> chunk, file; or nil, where it was looked for. */
static int l_module(lua_State *L)
{
	static const char *const lists[] = {"modules", "read"}, *const ends[] = {".lua", "/init.lua"};
	const struct cfw_policy *p = cfw_policy_of(L);
	const char *name = luaL_checkstring(L, 1);
	luaL_Buffer tried;
	lua_settop(L, 1);
	if (!is_module_name(name)) {
		lua_pushnil(L);
		lua_pushfstring(L, "\n\t'%s' is no name of a module in the sandbox", name);
		return 2;
	}
	const char *kept = cfw_source_module(L, name);
	if (kept && cfw_source_load(L, "module", name, kept) == LUA_OK) {
		lua_pushstring(L, kept);
		return 2;
	}
	lua_settop(L, 1);
	const char *part = luaL_gsub(L, name, ".", "/");
	luaL_buffinit(L, &tried);
	for (size_t l = 0; l < 2; l++) {
		const struct cfw_value *folders = cfw_value_get(p->config.sandbox, lists[l]);
		for (size_t i = 0; i < cfw_value_len(folders); i++)
			for (size_t e = 0; e < 2; e++) {
				const char *path = lua_pushfstring(
					L, "%s/%s%s", cfw_value_to_str(cfw_value_at(folders, i), "."), part, ends[e]);
				int status = cfw_source_load(L, "module", name, path);
				if (status == LUA_OK) {
					lua_insert(L, -2);
					return 2;
				}
				if (status != LUA_ERRFILE)
					return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, path,
							  lua_tostring(L, -1));
				lua_pop(L, 1);
				lua_pushfstring(L, "\n\tno file '%s'", path);
				lua_remove(L, -2);
				luaL_addvalue(&tried);
			}
	}
	luaL_pushresult(&tried);
	lua_pushnil(L);
	lua_insert(L, -2);
	return 2;
}

void cfw_open_sandboxed(lua_State *L)
{
	if (!cfw_policy_of(L)->config.sandbox)
		return;
	lua_pushcfunction(L, l_module);
	lua_setfield(L, -2, "sandbox_module");
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, "sandboxed");
}
