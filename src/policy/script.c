#include "policy/script.h"

#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

#include "base/err.h"
#include "policy/embedded.h"
#include "policy/guard.h"
#include "version.h"

struct call {
	const char *module;
	int argc;
	char *const *argv;
	int code;
};

static int call_module(lua_State *L)
{
	struct call *c = lua_touserdata(L, 1);
	luaL_openlibs(L);
	lua_getglobal(L, "package");
	lua_getfield(L, -1, "preload");
	cfw_preload_embedded(L);
	lua_getglobal(L, "require");
	lua_pushstring(L, c->module);
	lua_call(L, 1, 1);
	luaL_checkstack(L, c->argc + 1, "too many arguments");
	lua_pushliteral(L, CURFEW_VERSION);
	for (int i = 0; i < c->argc; i++)
		lua_pushstring(L, c->argv[i]);
	lua_call(L, c->argc + 1, 1);
	c->code = (int)luaL_checkinteger(L, -1) & 255;
	return 0;
}

int cfw_script_run(const char *module, int argc, char *const *argv, struct curfew_err *err)
{
	lua_State *L = luaL_newstate();
	if (!L)
		return cfw_err_set(err, CURFEW_ENOMEM, "no memory for a Lua state");
	struct call c = {module, argc, argv, 0};
	char *text = NULL;
	int rc = cfw_guard_plain(L, call_module, &c, &text);
	if (rc)
		cfw_err_set(err, rc, "%s", text ? text : rc == CURFEW_ENOMEM ? "out of memory" : "an error without a message");
	free(text);
	lua_close(L);
	return rc ? rc : c.code;
}
