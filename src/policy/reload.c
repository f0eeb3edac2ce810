/* reload.c: a policy that takes the place of another, and one whose place was taken (S7.1, S7.3); curfew.kept. */
#include <stdio.h>
#include <stdlib.h>
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

#define KEPT "curfew.kept"

void cfw_policy_tag(struct cfw_policy *p, unsigned tag)
{
	p->tag = tag & 255;
}

void cfw_policy_stage(struct cfw_policy *p)
{
	p->staged = p->reloaded = true;
}

void cfw_policy_release(struct cfw_policy *p)
{
	p->staged = false;
	cfw_timers_release(p);
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));)
		cfw_task_unhold(cfw_task_get(p, id));
	cfw_policy_wake(p);
}

bool cfw_policy_load_next(struct cfw_policy *p)
{
	struct cfw_task *t = p->loads;
	if (!t)
		return false;
	p->loads = t->next;
	if (!p->loads)
		p->loads_end = &p->loads;
	cfw_task_ready(t);
	return true;
}

static cfw_token token_of(const struct cfw_task *t)
{
	return (cfw_token)t->id << 32 | t->turn;
}

static bool is_spared(const struct cfw_task *t, const cfw_token *spared, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (t->state == CFW_TASK_WAITING && spared[i] == token_of(t))
			return true;
	return false;
}

/* Of a task that was begun by no request, hook or server, or by a server that is no more. */
static bool is_loose(const struct cfw_task *t)
{
	if (t->kind == CFW_TASK_HOOK || t->kind == CFW_TASK_SERVER || t->kind == CFW_TASK_FINALIZER || t->run || t->request)
		return false;
	return !t->server || !cfw_server_lives(t->p, t->server);
}

void cfw_policy_retire(struct cfw_policy *p, const cfw_token *spared, size_t n)
{
	p->retired = true;
	cfw_timers_cancel_top(p);
	cfw_events_free(p);
	while (p->loads) { /* scripts that waited for the one before them */
		struct cfw_task *t = p->loads;
		p->loads = t->next;
		cfw_task_forget(t);
	}
	p->loads_end = &p->loads;
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		struct cfw_task *t = cfw_task_get(p, id);
		if (is_loose(t) && !is_spared(t, spared, n))
			cfw_task_cancel(t, true);
	}
}

unsigned cfw_policy_use(const struct cfw_policy *p)
{
	unsigned use = cfw_servers_run(p) ? CFW_USE_SERVERS : 0;
	if (p->requests_n || p->rejections || cfw_policy_ready(p))
		return use | CFW_USE_WORK;
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		const struct cfw_task *t = cfw_task_get(p, id);
		bool of_server = t->server && t->kind != CFW_TASK_SERVER && !t->run && !t->request; /* lives as long as that */
		if (!is_loose(t) && !of_server && t->kind != CFW_TASK_FINALIZER)
			return use | CFW_USE_WORK;
		if (is_loose(t) && t->state == CFW_TASK_WAITING && !t->held && t->wait == CFW_WAIT_SERVICE)
			return use | CFW_USE_WORK; /* it waits for the answer to the reload */
	}
	return use;
}

size_t cfw_policy_cut(struct cfw_policy *p)
{
	static const char why[] = "cut off: its policy was replaced, and its time is over";
	size_t n = 0;
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		struct cfw_task *t = cfw_task_get(p, id);
		bool fails = t->kind == CFW_TASK_HOOK || t->kind == CFW_TASK_SERVER || t->kind == CFW_TASK_HANDLER;
		if (t->server && !fails && cfw_server_lives(p, t->server))
			continue;
		n += fails;
		if (fails && !t->text && (t->text = malloc(sizeof why)))
			memcpy(t->text, why, sizeof why);
		if (fails)
			cfw_task_fail(t);
		else
			cfw_task_cancel(t, true);
	}
	cfw_rejections_clear(p);
	for (cfw_id id = 0; (id = cfw_slots_next(&p->requests, id)); n++)
		cfw_request_fail(p, id, why, NULL, false);
	cfw_requests_free(p);
	return n;
}

/* Whatever leads to what scripts have made. Metatables stay: finalizers of ours are found by them. */
static int forget_roots(lua_State *L)
{
	static const char *const tables[] = {"_LOADED", "_PRELOAD", CFW_GLOBALS, CFW_MODULES, KEPT};
	for (lua_Integer i = LUA_RIDX_LAST + 1, n = (lua_Integer)lua_rawlen(L, LUA_REGISTRYINDEX); i <= n; i++) {
		lua_pushnil(L);
		lua_rawseti(L, LUA_REGISTRYINDEX, i);
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		lua_getfield(L, LUA_REGISTRYINDEX, tables[i]);
	for (int table = lua_gettop(L); table > 1; table--)
		for (lua_pushnil(L); lua_istable(L, table) && lua_next(L, table);) {
			lua_pop(L, 1);
			lua_pushvalue(L, -1);
			lua_pushnil(L);
			lua_rawset(L, table);
		}
	return 0;
}

bool cfw_policy_wither(struct cfw_policy *p)
{
	enum { CYCLES = 2 }; /* the first may have begun before */
	uint64_t began = cfw_time_now();
	if (!p->let_go) {
		cfw_policy_let_go(p);
		p->listened = false;
		p->unlimited = p->ending = true;
		p->pool_n = 0;
		p->finalizers_n = 0;
		lua_gc(p->L, LUA_GCRESTART);
		lua_gc(p->L, LUA_GCINC, 0, 0, 0);
		cfw_guard_protect(p, forget_roots, p, NULL);
	}
	while (p->cycles < CYCLES && cfw_time_now() - began < CFW_MS)
		p->cycles += lua_gc(p->L, LUA_GCSTEP, 0) != 0;
	return p->cycles >= CYCLES;
}

size_t cfw_policy_memory(const struct cfw_policy *p)
{
	return p->memory;
}

size_t cfw_policy_tasks(const struct cfw_policy *p)
{
	return p->tasks.used;
}

/* ---- curfew.kept ----------------------------------------------------------------------------------------------------------- */

struct kept {
	struct cfw_value *to;
	const struct cfw_value *from;
	bool failed;
};

static void push_kept(lua_State *L)
{
	if (lua_getfield(L, LUA_REGISTRYINDEX, KEPT) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_setfield(L, LUA_REGISTRYINDEX, KEPT);
}

static int read_kept(lua_State *L)
{
	struct kept *k = lua_touserdata(L, 1);
	char what[128];
	push_kept(L);
	int table = lua_gettop(L);
	for (lua_pushnil(L); lua_next(L, table); lua_settop(L, table + 1)) {
		if (lua_type(L, table + 1) != LUA_TSTRING)
			return luaL_error(L, "curfew.kept: its keys are names, not a %s", luaL_typename(L, table + 1));
		const char *key = lua_tostring(L, table + 1);
		snprintf(what, sizeof what, "curfew.kept.%.100s", key);
		cfw_convert_take(L, table + 2, what, 0);
		if (cfw_value_set(k->to, key, cfw_value_copy(cfw_convert_value(L, -1))))
			return luaL_error(L, "not enough memory");
	}
	return 0;
}

struct cfw_value *cfw_policy_kept(struct cfw_policy *p, struct curfew_err *err)
{
	struct kept k = {.to = cfw_value_map()};
	char *text = NULL;
	int rc = k.to ? cfw_guard_protect(p, read_kept, &k, &text) : CURFEW_ENOMEM;
	if (!rc)
		return k.to;
	cfw_err_set(err, rc == CURFEW_ENOMEM ? rc : CURFEW_EINVAL, "%s", text ? text : "out of memory");
	free(text);
	cfw_value_free(k.to);
	return NULL;
}

static int write_kept(lua_State *L)
{
	const struct kept *k = lua_touserdata(L, 1);
	push_kept(L);
	for (size_t i = 0; i < cfw_value_len(k->from); i++) {
		cfw_convert_push(L, cfw_value_at(k->from, i));
		lua_setfield(L, -2, cfw_value_key(k->from, i));
	}
	return 0;
}

int cfw_policy_keep(struct cfw_policy *p, const struct cfw_value *kept)
{
	struct kept k = {.from = kept};
	return cfw_guard_protect(p, write_kept, &k, NULL) ? CURFEW_ENOMEM : 0;
}

static int l_kept(lua_State *L)
{
	push_kept(L);
	return 1;
}

void cfw_open_kept(lua_State *L)
{
	lua_pushcfunction(L, l_kept);
	lua_setfield(L, -2, "kept");
}
