/* process.c: exit, configure, log, life, where; the Lua layer's entries. */
#include <string.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/value.h"
#include "policy/convert.h"
#include "policy/decision.h"
#include "policy/failure.h"
#include "policy/state.h"
#include "policy/task.h"
#include "version.h"

/* A hook that calls os.exit is completed by it (S4.9), and so is the abort of a server in a stop; anywhere else it is the exit
 * trigger (S2.3, S2.4). */
static bool completes(const struct cfw_policy *p)
{
	struct cfw_trigger cause;
	enum cfw_mode mode;
	const char *text, *traceback;
	if (!p->current || p->closing || p->asking)
		return false;
	if (cfw_call_is_abort(p->current))
		return p->ops->stop_cause && p->ops->stop_cause(p->ud, &mode, &cause, &text, &traceback);
	return p->current->kind == CFW_TASK_HOOK;
}

int cfw_l_exit(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	bool os_exit = lua_toboolean(L, lua_upvalueindex(1));
	int code;
	if (os_exit && p->deactivated) { /* S3.5; but the state is not closed: it is what runs */
		lua_settop(L, 1);
		lua_pushvalue(L, lua_upvalueindex(2));
		lua_insert(L, 1);
		lua_call(L, 1, 0);
	}
	if (os_exit && lua_isboolean(L, 1))
		code = lua_toboolean(L, 1) ? 0 : 1;
	else
		code = cfw_check_code(L, 1, 0);
	p->exit_code = code;
	if (!completes(p)) {
		struct cfw_trigger t = {.kind = CFW_T_EXIT, .code = code};
		p->ops->trigger(p->ud, &t, NULL, NULL);
	}
	return cfw_guard_leave(L, CFW_END_EXIT);
}

/* What a policy holds, and what a hook of any server needs besides: a limit beneath it would end them all (S4.12). */
static bool is_too_small(struct cfw_policy *p, uint64_t limit)
{
	enum { ROOM = 1 << 20 };
	if (limit >= p->memory + ROOM)
		return false;
	lua_gc(p->L, LUA_GCCOLLECT);
	return limit < p->memory + ROOM;
}

static int l_configure(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	luaL_checktype(L, 1, LUA_TTABLE);
	cfw_convert_take(L, 1, "configure", 0);
	int64_t limit = cfw_value_get_int(cfw_convert_value(L, -1), "memory_limit", INT64_MAX);
	if (is_too_small(p, (uint64_t)limit)) {
		cfw_err_set(&err, CURFEW_EINVAL,
			    "memory_limit: %lld bytes are too few: the policy holds %llu, and the limit has to leave 1 MB for "
			    "hooks",
			    (long long)limit, (unsigned long long)p->memory);
		return cfw_fail(L, &err);
	}
	if (p->ops->configure(p->ud, cfw_convert_value(L, -1), &err) < 0)
		return cfw_fail(L, &err);
	lua_pushboolean(L, 1);
	return 1;
}

static int l_log(lua_State *L)
{
	static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
	int level = luaL_checkoption(L, 1, NULL, levels);
	cfw_log_with(cfw_policy_log(cfw_policy_of(L)), (enum cfw_log_level)level, luaL_checkstring(L, 2), NULL);
	return 0;
}

static int l_life(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	lua_pushstring(L, p->ops->life(p->ud));
	return 1;
}

static int l_where(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	char where[128];
	bool found = cfw_where(L, (int)luaL_optinteger(L, 1, 1), where, sizeof where);
	for (struct cfw_nest *n = p->guard.nest; n && !found; n = n->prev)
		found = cfw_where(n->from, 0, where, sizeof where);
	if (found)
		lua_pushstring(L, where);
	else
		lua_pushnil(L);
	return 1;
}

/* c.on_call(f) and the like. */
static int l_entry(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	lua_Integer entry = lua_tointeger(L, lua_upvalueindex(1));
	luaL_checktype(L, 1, LUA_TFUNCTION);
	lua_settop(L, 1);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	luaL_unref(L, LUA_REGISTRYINDEX, p->entry[entry]);
	p->entry[entry] = ref;
	return 0;
}

void cfw_open_process(lua_State *L)
{
	static const char *const entries[] = {
		[CFW_ENTRY_HOOK] = "on_call",
		[CFW_ENTRY_SERVER] = "on_kind_call",
		[CFW_ENTRY_SERVE] = "on_serve",
		[CFW_ENTRY_TRIGGER] = "on_trigger",
	};
	static const luaL_Reg funcs[] = {
		{"configure", l_configure}, {"log", l_log}, {"life", l_life}, {"where", l_where}, {NULL, NULL}};
	luaL_setfuncs(L, funcs, 0);
	lua_pushboolean(L, 0);
	lua_pushcclosure(L, cfw_l_exit, 1);
	lua_setfield(L, -2, "exit");
	for (int i = 0; i < CFW_ENTRIES; i++) {
		lua_pushinteger(L, i);
		lua_pushcclosure(L, l_entry, 1);
		lua_setfield(L, -2, entries[i]);
	}
}

int cfw_open_core(lua_State *L)
{
	lua_newtable(L);
	cfw_open_timers(L);
	cfw_open_await(L);
	cfw_open_events(L);
	cfw_open_registry(L);
	cfw_open_calls(L);
	cfw_open_rules(L);
	cfw_open_process(L);
	cfw_open_exchange(L);
	cfw_open_kept(L);
	cfw_open_sandboxed(L);
	lua_pushliteral(L, CURFEW_VERSION);
	lua_setfield(L, -2, "version");
	return 1;
}
