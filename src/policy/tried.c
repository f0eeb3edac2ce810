/* tried.c: a policy that is tried changes nothing outside (S7.1): what its main script would do to files or to this process, or have a
 * command do, is an error instead, and what comes of the script after that says nothing about it. What goes by the policy's ops is
 * refused where it is asked for (registry.c). */
#include <string.h>

#include <lauxlib.h>

#include "policy/failure.h"
#include "policy/state.h"

int cfw_hold_back(lua_State *L, const char *what)
{
	cfw_policy_of(L)->held_back = true;
	return cfw_raise(L, "%s: a policy that is tried changes nothing", what);
}

/* Upvalues: its name, the function. */
static int l_held_back(lua_State *L)
{
	return cfw_hold_back(L, lua_tostring(L, lua_upvalueindex(1)));
}

static int call_it(lua_State *L)
{
	lua_pushvalue(L, lua_upvalueindex(2));
	lua_insert(L, 1);
	lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
	return lua_gettop(L);
}

/* io.open: a mode that only reads is fine. */
static int l_open(lua_State *L)
{
	return strpbrk(luaL_optstring(L, 2, "r"), "wa+") ? l_held_back(L) : call_it(L);
}

/* io.output: with a name it makes a file. */
static int l_output(lua_State *L)
{
	return lua_type(L, 1) == LUA_TSTRING ? l_held_back(L) : call_it(L);
}

/* os.setlocale: the process's, unless it only asks. */
static int l_setlocale(lua_State *L)
{
	return lua_isnoneornil(L, 1) ? call_it(L) : l_held_back(L);
}

static void put(lua_State *L, const char *library, const char *name, lua_CFunction fn)
{
	lua_getglobal(L, library);
	lua_pushfstring(L, "%s.%s", library, name);
	lua_getfield(L, -2, name);
	lua_pushcclosure(L, fn, 2);
	lua_setfield(L, -2, name);
	lua_pop(L, 1);
}

void cfw_open_tried(lua_State *L)
{
	put(L, "io", "open", l_open);
	put(L, "io", "output", l_output);
	put(L, "io", "popen", l_held_back);
	put(L, "io", "tmpfile", l_held_back);
	put(L, "os", "execute", l_held_back);
	put(L, "os", "remove", l_held_back);
	put(L, "os", "rename", l_held_back);
	put(L, "os", "tmpname", l_held_back);
	put(L, "os", "setlocale", l_setlocale);
}

bool cfw_policy_held_back(const struct cfw_policy *p)
{
	return p->held_back;
}
