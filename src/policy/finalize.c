/* finalize.c: __gc as tasks. Lua runs finalizers with hooks off, so a loop in one could never be left. A metatable's __gc is
 * therefore hidden from Lua when it is set; a sentinel of ours dies with the object, and the finalizer runs under the usual
 * budget in a later turn. */
#include <lauxlib.h>

#include "base/time.h"
#include "policy/state.h"
#include "policy/task.h"

#define META     "curfew.sentinel"
#define LIVING   "curfew.sentinels" /* object (weak) -> sentinel, whose user value is the object */
#define FINISHED "curfew.finished"  /* list of objects whose finalizer is due */

/* Of a sentinel: its object has become unreachable, and is alive once more by this. */
static int l_sentinel_gc(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	if (p->ending)
		return 0;
	lua_getfield(L, LUA_REGISTRYINDEX, FINISHED);
	lua_getiuservalue(L, 1, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, LIVING);
	lua_pushvalue(L, -2);
	lua_pushnil(L);
	lua_rawset(L, -3); /* Lua itself would leave it there until the object is gone for good */
	lua_pop(L, 1);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	p->finalizers_n++;
	cfw_policy_wake(p);
	return 0;
}

/* Set the metatable on the top for object at index 1, its __gc by way of a sentinel. */
static void set_metatable(lua_State *L)
{
	int mt = lua_gettop(L);
	bool has = false;
	if (lua_istable(L, mt)) {
		lua_pushliteral(L, "__gc");
		has = lua_rawget(L, mt) != LUA_TNIL;
	}
	if (!has) {
		lua_pushvalue(L, mt);
		lua_setmetatable(L, 1);
		return;
	}
	int gc = lua_gettop(L);
	lua_getfield(L, LUA_REGISTRYINDEX, LIVING);
	lua_pushvalue(L, 1);
	if (lua_rawget(L, -2) == LUA_TNIL) {
		lua_pushvalue(L, 1);
		lua_newuserdatauv(L, 0, 1);
		lua_pushvalue(L, 1);
		lua_setiuservalue(L, -2, 1);
		luaL_setmetatable(L, META);
		lua_rawset(L, gc + 1);
	}
	lua_pushliteral(L, "__gc"); /* out of sight while Lua looks; its place in the table stays, so nothing allocates */
	lua_pushnil(L);
	lua_rawset(L, mt);
	lua_pushvalue(L, mt);
	lua_setmetatable(L, 1);
	lua_pushliteral(L, "__gc");
	lua_pushvalue(L, gc);
	lua_rawset(L, mt);
}

static int l_setmetatable(lua_State *L)
{
	int type = lua_type(L, 2);
	luaL_checktype(L, 1, LUA_TTABLE);
	luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
	if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
		return luaL_error(L, "cannot change a protected metatable");
	lua_settop(L, 2);
	set_metatable(L);
	lua_settop(L, 1);
	return 1;
}

static int l_debug_setmetatable(lua_State *L)
{
	int type = lua_type(L, 2);
	luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
	lua_settop(L, 2);
	set_metatable(L);
	lua_settop(L, 1);
	return 1;
}

/* The next object's finalizer on co, with the object: 1; -1 when there is none. */
static int begin_finalizer(lua_State *L, struct cfw_task *t, lua_State *co)
{
	(void)t;
	lua_getfield(L, LUA_REGISTRYINDEX, FINISHED);
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
	lua_rawgeti(L, -1, n); /* nil where there is none */
	lua_pushnil(L);
	lua_rawseti(L, -3, n);
	if (luaL_getmetafield(L, -1, "__gc") != LUA_TFUNCTION)
		return -1;
	lua_insert(L, -2);
	lua_xmove(L, co, 2);
	return 1;
}

/* They belong to no request and no hook, so that nobody's budget ends them all: one that takes long is paid for with a pause. */
enum { FINALIZERS_MOST = 64, PAUSE = 10 };

void cfw_finalizer_ran(struct cfw_policy *p, uint64_t spent_ns)
{
	if (spent_ns < CFW_MS)
		return;
	p->finalizers_batch = 1;
	p->finalizers_ns = cfw_time_add(cfw_policy_now(p), PAUSE * spent_ns);
}

void cfw_finalizers_step(struct cfw_policy *p)
{
	if (!p->finalizers_n || cfw_policy_now(p) < p->finalizers_ns)
		return;
	unsigned batch = p->finalizers_batch ? p->finalizers_batch : 1;
	p->finalizers_batch = batch < FINALIZERS_MOST ? 2 * batch : batch;
	for (unsigned i = 0; p->finalizers_n && i < batch; i++) {
		struct cfw_task *t = cfw_task_new(p, CFW_TASK_FINALIZER);
		if (!t)
			return;
		t->begin = begin_finalizer;
		p->finalizers_n--;
		cfw_task_ready(t);
	}
}

/* At the end the living are due too. */
static int collect_living(lua_State *L)
{
	struct cfw_policy *p = lua_touserdata(L, 1);
	lua_getfield(L, LUA_REGISTRYINDEX, FINISHED);
	lua_getfield(L, LUA_REGISTRYINDEX, LIVING);
	for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
		lua_pushvalue(L, -2);
		lua_rawseti(L, 2, (lua_Integer)lua_rawlen(L, 2) + 1);
	}
	p->finalizers_n = lua_rawlen(L, 2);
	return 0;
}

void cfw_finalizers_end(struct cfw_policy *p)
{
	uint64_t until = cfw_time_add(cfw_time_now(), cfw_time_min(p->config.hook_cpu_limit_ns, 100 * CFW_MS));
	uint64_t limit = p->config.hook_cpu_limit_ns;
	p->config.hook_cpu_limit_ns = cfw_time_min(limit, 10 * CFW_MS);
	p->unlimited = true;
	cfw_guard_protect(p, collect_living, p, NULL);
	while (p->finalizers_n && cfw_time_now() < until) {
		struct cfw_task *t = cfw_task_new(p, CFW_TASK_FINALIZER);
		if (!t)
			break;
		t->begin = begin_finalizer;
		p->finalizers_n--;
		cfw_id id = t->id;
		cfw_task_run(t);
		if ((t = cfw_task_get(p, id))) /* it waits: nothing will answer */
			cfw_task_cancel(t, true);
	}
	p->config.hook_cpu_limit_ns = limit;
}

void cfw_open_finalizers(lua_State *L)
{
	luaL_newmetatable(L, META);
	lua_pushcfunction(L, l_sentinel_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_newtable(L);
	lua_newtable(L);
	lua_pushliteral(L, "k");
	lua_setfield(L, -2, "__mode");
	lua_setmetatable(L, -2);
	lua_setfield(L, LUA_REGISTRYINDEX, LIVING);
	lua_newtable(L);
	lua_setfield(L, LUA_REGISTRYINDEX, FINISHED);
	lua_pushcfunction(L, l_setmetatable);
	lua_setglobal(L, "setmetatable");
	lua_getglobal(L, "debug");
	lua_pushcfunction(L, l_debug_setmetatable);
	lua_setfield(L, -2, "setmetatable");
	lua_pop(L, 1);
}
