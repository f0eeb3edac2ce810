/* registry.c: servers, hooks, requests to the core, services. */
#include "policy/registry.h"

#include <math.h>
#include <string.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/time.h"
#include "base/value.h"
#include "policy/convert.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

int cfw_fail(lua_State *L, const struct curfew_err *err)
{
	return cfw_fail_with(L, *err->msg ? err->msg : "failed", cfw_err_name(err));
}

int cfw_fail_with(lua_State *L, const char *msg, const char *name)
{
	lua_pushnil(L);
	lua_pushstring(L, msg);
	lua_pushstring(L, name);
	return 3;
}

static cfw_id check_id(lua_State *L, int idx)
{
	lua_Integer id = luaL_checkinteger(L, idx);
	return id < 0 || id > UINT32_MAX ? 0 : (cfw_id)id;
}

static int l_server_new(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	luaL_checktype(L, 1, LUA_TTABLE);
	cfw_convert_take(L, 1, "server definition", 1);
	cfw_id id = p->ops->server_new(p->ud, cfw_convert_value(L, -1), &err);
	if (!id)
		return cfw_fail(L, &err);
	cfw_convert_keep_refs(L, -1);
	lua_pushinteger(L, id);
	return 1;
}

static int l_server_after(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	if (p->ops->server_after(p->ud, check_id(L, 1), check_id(L, 2), &err) < 0)
		return cfw_fail(L, &err);
	lua_pushboolean(L, 1);
	return 1;
}

static int l_server_find(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	cfw_id id = p->ops->server_find(p->ud, luaL_checkstring(L, 1));
	if (id)
		lua_pushinteger(L, id);
	else
		lua_pushnil(L);
	return 1;
}

static int l_server_info(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	cfw_id id = check_id(L, 1);
	bool with_stats = lua_toboolean(L, 2);
	cfw_convert_hold(L);
	cfw_convert_put(L, -1, p->ops->server_info(p->ud, id, with_stats));
	if (!cfw_convert_value(L, -1))
		return cfw_fail_with(L, "server gone", "ESRCH");
	cfw_convert_push(L, cfw_convert_value(L, -1));
	if (with_stats && lua_getfield(L, -1, "stats") == LUA_TTABLE) {
		const struct cfw_counts *counts = cfw_request_counts(p, id);
		lua_pushinteger(L, counts ? (lua_Integer)counts->errors : 0);
		lua_setfield(L, -2, "errors");
		lua_pushinteger(L, counts ? (lua_Integer)counts->limits : 0);
		lua_setfield(L, -2, "limits");
	}
	if (with_stats)
		lua_pop(L, 1);
	return 1;
}

static const char *string_field(lua_State *L, const char *key)
{
	lua_getfield(L, 1, key); /* stays on the stack: the table holds it, but may be anybody's */
	return lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

static int l_hook_new(lua_State *L)
{
	static const char *const phases[] = {"pre_start", "post_start", "pre_stop", "post_stop", NULL};
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	struct cfw_hook_opts opts = {.timeout_ns = CFW_NEVER};
	luaL_checktype(L, 1, LUA_TTABLE);
	const char *phase = string_field(L, "phase");
	int i = 0;
	while (phases[i] && (!phase || strcmp(phases[i], phase) != 0))
		i++;
	if (!phases[i])
		return cfw_raise(L, "hook: unknown phase \"%s\"", phase ? phase : "nil");
	opts.phase = (enum cfw_phase)i;
	opts.name = string_field(L, "name");
	opts.where = string_field(L, "where");
	if (lua_getfield(L, 1, "server") != LUA_TNIL)
		opts.server = check_id(L, -1);
	if (lua_getfield(L, 1, "timeout_ns") != LUA_TNIL)
		opts.timeout_ns = (uint64_t)luaL_checkinteger(L, -1);
	if (lua_getfield(L, 1, "fn") != LUA_TFUNCTION)
		return cfw_raise(L, "hook: expected a function, got %s", luaL_typename(L, -1));
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	opts.ref = ref;
	if (!p->ops->hook_new(p->ud, &opts, &err)) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		return cfw_fail(L, &err);
	}
	lua_pushboolean(L, 1);
	return 1;
}

/* Would the answer wait for the hook or function that t itself is? A stop of all does so in any of them, a start of all and what is
 * about one server in those of a server. */
static bool waits_for_itself(const struct cfw_task *t, enum cfw_request what, cfw_id server)
{
	cfw_id own;
	if (!cfw_call_of(t, &own))
		return false;
	switch (what) {
	case CFW_REQ_STOP:
		return true;
	case CFW_REQ_START:
		return own != 0;
	case CFW_REQ_SERVER_START:
	case CFW_REQ_SERVER_STOP:
	case CFW_REQ_SERVER_RESTART:
		return own == server;
	case CFW_REQ_RELOAD:
	case CFW_REQ_DEACTIVATE:
		break;
	}
	return false;
}

/* A request is drained by the stop of its server: were it to wait for that, neither would end before the deadline. */
static bool is_drained_by(const struct cfw_task *t, enum cfw_request what, cfw_id server)
{
	const struct cfw_conversation *r = cfw_request_get(t->p, t->request);
	return r && (what == CFW_REQ_STOP ||
		     ((what == CFW_REQ_SERVER_STOP || what == CFW_REQ_SERVER_RESTART) && r->server == server));
}

int cfw_request_wait(lua_State *L, enum cfw_request what, cfw_id server, bool flag)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	struct cfw_task *t = cfw_guard_may_wait(L);
	bool stop = what == CFW_REQ_STOP || what == CFW_REQ_SERVER_STOP;
	bool drained = is_drained_by(t, what, server);
	if (drained || waits_for_itself(t, what, server)) {
		if (!stop && !drained)
			return cfw_fail_with(L, "it would wait for itself: this function is a part of it", "EDEADLK");
		if (p->ops->request(p->ud, 0, what, server, flag, &err) < 0)
			return cfw_fail(L, &err);
		lua_pushboolean(L, 1); /* asked for; nobody waits */
		return 1;
	}
	if (what == CFW_REQ_START || what == CFW_REQ_SERVER_START)
		p->start_asked = true;
	cfw_token token = cfw_task_token(t, CFW_WAIT_SERVICE);
	if (p->ops->request(p->ud, token, what, server, flag, &err) < 0) {
		cfw_task_nowait(t);
		return cfw_fail(L, &err);
	}
	return cfw_guard_wait(L, 0, cfw_task_go_on);
}

/* c.request(what, server_id|nil, flag) */
static int l_request(lua_State *L)
{
	static const char *const names[] = {
		[CFW_REQ_START] = "start",
		[CFW_REQ_STOP] = "stop",
		[CFW_REQ_SERVER_START] = "server_start",
		[CFW_REQ_SERVER_STOP] = "server_stop",
		[CFW_REQ_SERVER_RESTART] = "server_restart",
		[CFW_REQ_RELOAD] = "reload",
		[CFW_REQ_DEACTIVATE] = "deactivate",
		NULL,
	};
	int what = luaL_checkoption(L, 1, NULL, names);
	cfw_id server = lua_isnoneornil(L, 2) ? 0 : check_id(L, 2);
	return cfw_request_wait(L, (enum cfw_request)what, server, lua_toboolean(L, 3));
}

/* c.service(name, args, cb): cb in a task of its own, owned as the caller is. */
static int service_callback(lua_State *L, const char *name)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	bool later = cfw_task_sleeps(p, p->current);
	if (later && (!p->staged || !p->ops->service_later)) {
		lua_pushboolean(L, 1);
		return 1;
	}
	lua_pushvalue(L, 3);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct cfw_task *t = cfw_task_new(p, CFW_TASK_CALLBACK);
	if (!t) {
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		return luaL_error(L, "not enough memory");
	}
	t->fn_ref = ref;
	cfw_token token = cfw_task_token(t, CFW_WAIT_SERVICE);
	if ((later ? p->ops->service_later : p->ops->service)(p->ud, token, name, cfw_convert_value(L, -1), &err) < 0)
		cfw_task_answer(p, token, NULL, &err); /* one place to handle it: the callback */
	lua_pushboolean(L, 1);
	return 1;
}

/* Does it change something outside? Of a fetch, the method is as the service has it: one with a body is a POST. */
static bool changes(const char *name, const struct cfw_value *args)
{
	if (strcmp(name, "fetch") != 0)
		return !strcmp(name, "fs.write") || !strcmp(name, "fs.rename") || !strcmp(name, "fs.remove");
	const char *method = cfw_value_get_str(args, "method", cfw_value_get(args, "body") ? "POST" : "GET");
	return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static int l_service(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	const char *name = luaL_checkstring(L, 1);
	lua_settop(L, 3);
	bool callback = !lua_isnil(L, 3);
	if (callback)
		luaL_checktype(L, 3, LUA_TFUNCTION);
	struct cfw_task *t = callback ? NULL : cfw_guard_may_wait(L);
	cfw_convert_take(L, 2, name, 0);
	if (t && p->staged && !strcmp(name, "exec")) { /* S7.1 */
		p->held_back = true;
		return cfw_raise(L, CFW_STAGED_WAITS);
	}
	if (t && p->config.tried && changes(name, cfw_convert_value(L, -1)))
		return cfw_hold_back(L, name);
	if (!t)
		return service_callback(L, name);
	cfw_token token = cfw_task_token(t, CFW_WAIT_SERVICE);
	if (p->ops->service(p->ud, token, name, cfw_convert_value(L, -1), &err) < 0) {
		cfw_task_nowait(t);
		return cfw_fail(L, &err);
	}
	return cfw_guard_wait(L, 0, cfw_task_go_on);
}

/* deadline(run) -> seconds, or nil when it does not run any more */
static int l_deadline(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	uint64_t until = p->ops->hook_until ? p->ops->hook_until(p->ud, (uint32_t)luaL_checkinteger(L, 1)) : 0;
	if (!until)
		return 0;
	lua_pushnumber(L, until == CFW_NEVER ? (lua_Number)HUGE_VAL : (lua_Number)until / 1e9);
	return 1;
}

static int l_extend(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	lua_Integer ns = luaL_checkinteger(L, 2);
	if (p->ops->extend(p->ud, check_id(L, 1), ns < 0 ? 0 : (uint64_t)ns, &err) < 0)
		return cfw_fail(L, &err);
	lua_pushboolean(L, 1);
	return 1;
}

/* leader() -> is it this process that does what is to be done once? */
static int l_leader(lua_State *L)
{
	const struct cfw_policy *p = cfw_policy_of(L);
	lua_pushboolean(L, !p->ops->leader || p->ops->leader(p->ud));
	return 1;
}

void cfw_open_registry(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{"server_new", l_server_new},
		{"server_after", l_server_after},
		{"server_find", l_server_find},
		{"server_info", l_server_info},
		{"hook_new", l_hook_new},
		{"request", l_request},
		{"service", l_service},
		{"extend", l_extend},
		{"deadline", l_deadline},
		{"leader", l_leader},
		{NULL, NULL},
	};
	cfw_open_convert(L);
	luaL_setfuncs(L, funcs, 0);
}
