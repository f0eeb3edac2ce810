/* curfew.c: require "curfew" in Lua's own interpreter. The first use of what it returns makes the script the policy of `curfew run`,
 * from its first line on, in a state of curfew's: what a policy can do, and what bounds it, is the same there. The state of the
 * interpreter is left as it is; it never goes on. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "shell/run.h"
#include "version.h"

__attribute__((visibility("default"))) int luaopen_curfew(lua_State *L);

/* The file of the script that the interpreter runs: its main chunk is the outermost one. NULL: it is none in a file. */
static const char *script_of(lua_State *L)
{
	lua_Debug ar;
	const char *found = NULL;
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	lua_State *main = lua_tothread(L, -1);
	for (int level = 0; lua_getstack(main, level, &ar); level++)
		if (lua_getinfo(main, "S", &ar) && !strcmp(ar.what, "main"))
			found = *ar.source == '@' ? ar.source + 1 : NULL;
	return found;
}

/* What the command line gave the script, from its name on; the strings are Lua's. */
static char **args_of(lua_State *L, const char *script)
{
	size_t n = lua_getglobal(L, "arg") == LUA_TTABLE ? lua_rawlen(L, -1) : 0;
	char **args = calloc(n + 2, sizeof *args);
	if (!args)
		return NULL;
	args[0] = strdup(script);
	for (size_t i = 1; i <= n; i++) {
		lua_rawgeti(L, -1, (lua_Integer)i);
		args[i] = strdup(lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "");
		lua_pop(L, 1);
	}
	return args;
}

static int take_over(lua_State *L)
{
	const char *script = script_of(L);
	if (!script)
		return luaL_error(L, "curfew: what it runs is a script in a file: lua5.4 SCRIPT, or curfew run SCRIPT");
	struct cfw_run_options run = {.policies = &script,
				      .npolicies = 1,
				      .log_format = -1,
				      .log_level = -1,
				      .display = true,
				      .args = args_of(L, script)};
	if (!run.args)
		return luaL_error(L, "curfew: out of memory");
	fflush(NULL);
	int code = cfw_run(&run, NULL);
	fflush(NULL);
	_Exit(code); /* what the interpreter's state holds has never begun */
}

static int l_index(lua_State *L)
{
	const char *name = lua_tostring(L, 2);
	if (name && !strcmp(name, "version")) {
		lua_pushliteral(L, CURFEW_VERSION);
		return 1;
	}
	return take_over(L);
}

int luaopen_curfew(lua_State *L)
{
	luaL_checkversion(L);
	lua_newtable(L);
	lua_newtable(L);
	lua_pushcfunction(L, l_index);
	lua_setfield(L, -2, "__index");
	lua_setmetatable(L, -2);
	return 1;
}
