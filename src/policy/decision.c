#include "policy/decision.h"

#include <string.h>

#include <lauxlib.h>

#include "policy/failure.h"
#include "policy/registry.h"
#include "policy/state.h"

#define META "curfew.decision"

static bool has_code(enum cfw_decision_what what)
{
	return what == CFW_D_GRACEFUL || what == CFW_D_ABORT || what == CFW_D_KILL;
}

static int default_code(enum cfw_decision_what what)
{
	return what == CFW_D_ABORT || what == CFW_D_KILL ? 1 : 0;
}

bool cfw_decision_read(lua_State *L, int idx, struct cfw_decision *out)
{
	const struct cfw_decision *d = luaL_testudata(L, idx, META);
	if (d)
		*out = *d;
	return d;
}

int cfw_check_code(lua_State *L, int idx, int otherwise)
{
	int exact;
	if (lua_isnoneornil(L, idx))
		return otherwise;
	lua_Integer code = lua_tointegerx(L, idx, &exact);
	if (!exact || lua_type(L, idx) != LUA_TNUMBER || code < 0 || code > 255)
		return cfw_raise(L, "an exit code is an integer from 0 to 255, got %s", luaL_tolstring(L, idx, NULL));
	return (int)code;
}

static int push_decision(lua_State *L, enum cfw_decision_what what, int code)
{
	struct cfw_decision *d = lua_newuserdatauv(L, sizeof *d, 0);
	*d = (struct cfw_decision){what, code};
	luaL_setmetatable(L, META);
	return 1;
}

/* c.decision(what, code) */
static int l_decision(lua_State *L)
{
	const char *name = luaL_checkstring(L, 1);
	for (int what = CFW_D_GRACEFUL; what < CFW_DECISIONS; what++)
		if (!strcmp(name, cfw_decision_name((enum cfw_decision_what)what)))
			return push_decision(L, (enum cfw_decision_what)what,
					     cfw_check_code(L, 2, default_code((enum cfw_decision_what)what)));
	return cfw_raise(L, "unknown decision \"%s\"", name);
}

static int l_decision_of(lua_State *L)
{
	struct cfw_decision d;
	if (!cfw_decision_read(L, 1, &d)) {
		lua_pushnil(L);
		return 1;
	}
	lua_pushstring(L, cfw_decision_name(d.what));
	if (!has_code(d.what))
		return 1;
	lua_pushinteger(L, d.code);
	return 2;
}

static int l_call(lua_State *L)
{
	const struct cfw_decision *d = luaL_checkudata(L, 1, META);
	if (has_code(d->what))
		return push_decision(L, d->what, cfw_check_code(L, 2, default_code(d->what)));
	if (d->what == CFW_D_RELOAD)
		return cfw_request_wait(L, CFW_REQ_RELOAD, 0, false);
	return cfw_raise(L, "curfew.%s is an answer of a rule, not a function", cfw_decision_name(d->what));
}

static int l_tostring(lua_State *L)
{
	const struct cfw_decision *d = luaL_checkudata(L, 1, META);
	if (has_code(d->what))
		lua_pushfstring(L, "%s(%d)", cfw_decision_name(d->what), d->code);
	else
		lua_pushstring(L, cfw_decision_name(d->what));
	return 1;
}

static int l_eq(lua_State *L)
{
	struct cfw_decision a, b;
	lua_pushboolean(L, cfw_decision_read(L, 1, &a) && cfw_decision_read(L, 2, &b) && a.what == b.what && a.code == b.code);
	return 1;
}

void cfw_open_decisions(lua_State *L)
{
	static const luaL_Reg meta[] = {{"__call", l_call}, {"__tostring", l_tostring}, {"__eq", l_eq}, {NULL, NULL}};
	luaL_newmetatable(L, META);
	luaL_setfuncs(L, meta, 0);
	lua_pop(L, 1);
	lua_pushcfunction(L, l_decision);
	lua_setfield(L, -2, "decision");
	lua_pushcfunction(L, l_decision_of);
	lua_setfield(L, -2, "decision_of");
}
