/* calls.c: hooks; and what a task's call is, a hook's or a server's (lua_server.c). */
#define _GNU_SOURCE
#include "policy/calls.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/failure.h"
#include "policy/guard.h"
#include "policy/rules.h"
#include "policy/task.h"

void cfw_call_set_seconds(lua_State *L, const char *key, uint64_t ns)
{
	if (ns == CFW_NEVER)
		return;
	lua_pushnumber(L, (lua_Number)ns / 1e9);
	lua_setfield(L, -2, key);
}

void cfw_call_set_mode(lua_State *L, enum cfw_mode mode)
{
	lua_pushstring(L, mode == CFW_ABORT ? "abort" : "graceful");
	lua_setfield(L, -2, "mode");
}

int cfw_call_push_entry(lua_State *L, struct cfw_policy *p, enum cfw_entry entry, int ref)
{
	int n = 0;
	if (p->entry[entry] != LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, p->entry[entry]);
		n++;
	}
	lua_rawgeti(L, LUA_REGISTRYINDEX, ref);
	return n;
}

static int begin_hook(lua_State *L, struct cfw_task *t, lua_State *co)
{
	static const char *const phases[] = {"pre_start", "post_start", "pre_stop", "post_stop"};
	const struct cfw_hook_call *h = &t->call->hook;
	int n = cfw_call_push_entry(L, t->p, CFW_ENTRY_HOOK, (int)h->ref);
	lua_createtable(L, 0, 8);
	lua_pushinteger(L, h->run);
	lua_setfield(L, -2, "run");
	if (h->server) {
		lua_pushinteger(L, h->server);
		lua_setfield(L, -2, "server");
	}
	if (h->trigger.kind != CFW_T_KINDS) {
		cfw_push_trigger(L, &h->trigger, h->text, h->traceback);
		lua_setfield(L, -2, "trigger");
	}
	cfw_call_set_mode(L, h->mode);
	lua_pushstring(L, phases[h->phase]);
	lua_setfield(L, -2, "phase");
	cfw_call_set_seconds(L, "deadline", h->deadline_ns);
	cfw_call_set_seconds(L, "began", h->began_ns);
	lua_pushstring(L, h->result); /* nil where there is none */
	lua_setfield(L, -2, "result");
	lua_xmove(L, co, n + 2);
	return n + 1;
}

static char *copy(const char *s)
{
	return s ? strdup(s) : NULL;
}

/* A cancel finds its hook by the run's number, however many run. */
static void enter(struct cfw_policy *p, struct cfw_task_call *c)
{
	struct cfw_task_call **bucket = &p->hooks[c->hook.run % CFW_HOOK_BUCKETS];
	c->next = *bucket;
	c->prev = bucket;
	if (c->next)
		c->next->prev = &c->next;
	*bucket = c;
}

void cfw_policy_call(struct cfw_policy *p, const struct cfw_hook_call *call)
{
	struct cfw_task *t = cfw_task_new(p, CFW_TASK_HOOK);
	struct cfw_task_call *c = t ? calloc(1, sizeof *c) : NULL;
	if (!c) {
		if (t)
			cfw_task_discard(t);
		p->ops->hook_done(p->ud, call->run, CFW_FAILED, 0, "not enough memory", NULL);
		return;
	}
	c->hook = *call;
	c->hurried = call->hurried;
	c->hook.result = copy(call->result);
	c->hook.what = copy(call->what);
	c->hook.text = copy(call->text);
	c->hook.traceback = copy(call->traceback);
	c->task = t;
	t->call = c;
	t->run = call->run;
	enter(p, c);
	t->begin = begin_hook;
	cfw_task_ready(t);
}

static struct cfw_task_call *find_call(const struct cfw_policy *p, uint32_t run)
{
	struct cfw_task_call *c = p->hooks[run % CFW_HOOK_BUCKETS];
	while (c && c->hook.run != run)
		c = c->next;
	return c;
}

/* S4.12: a pre_stop hook that is cut before its first slice has that slice all the same; cfw_call_is_over ends it then. */
void cfw_policy_call_cancel(struct cfw_policy *p, uint32_t run)
{
	struct cfw_task_call *c = find_call(p, run);
	if (c && c->hook.phase == CFW_PRE_STOP && !c->task->begun)
		c->over = true;
	else if (c)
		cfw_task_cancel(c->task, true);
}

bool cfw_call_is_over(const struct cfw_task *t)
{
	return t->call && t->call->over;
}

/* The call that t works for in a stop: of a hook, also where that has begun t, or of a function that stops a server. NULL: none. */
static struct cfw_task_call *stop_call(const struct cfw_policy *p, const struct cfw_task *t)
{
	struct cfw_task_call *c = t->run ? find_call(p, t->run) : t->call;
	bool stops = c && (c->server ? c->which == CALL_STOP : c->hook.phase >= CFW_PRE_STOP);
	return stops ? c : NULL;
}

cfw_id cfw_call_server(const struct cfw_task *t)
{
	const struct cfw_task_call *c = t->call;
	return !c ? 0 : c->server ? c->server->id : c->hook.server;
}

bool cfw_call_may_be_late(const struct cfw_task *t)
{
	const struct cfw_task_call *c = stop_call(t->p, t);
	return t->kind == CFW_TASK_HOOK || t->kind == CFW_TASK_SERVER || (c && c->late);
}

bool cfw_call_hurries(const struct cfw_task *t)
{
	const struct cfw_task_call *c = stop_call(t->p, t);
	return c && (c->hurried || c->cancelled);
}

void cfw_policy_steer(struct cfw_policy *p, bool hurried, bool cancelled)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		const struct cfw_task *t = cfw_task_get(p, id);
		struct cfw_task_call *c = stop_call(p, t);
		if (!c)
			continue;
		c->cancelled = cancelled;
		c->hurried = hurried;
		if ((hurried || cancelled) && t->state == CFW_TASK_WAITING && t->wait == CFW_WAIT_TIMER)
			cfw_task_answer(p, (cfw_token)id << 32 | t->turn, NULL, NULL);
	}
}

/* told() -> is what runs to hurry, is its stop to be cancelled */
static int l_told(lua_State *L)
{
	const struct cfw_policy *p = cfw_policy_of(L);
	const struct cfw_task_call *c = p->current ? stop_call(p, p->current) : NULL;
	lua_pushboolean(L, c && c->hurried);
	lua_pushboolean(L, c && c->cancelled);
	return 2;
}

/* due() -> when the hook, or the function that stops a server, that this runs for is cut, in seconds of now(); nothing: there is none */
static int l_due(lua_State *L)
{
	const struct cfw_policy *p = cfw_policy_of(L);
	const struct cfw_task_call *c = p->current ? stop_call(p, p->current) : NULL;
	uint64_t until = !c ? 0 : c->server ? c->deadline_ns : p->ops->hook_until ? p->ops->hook_until(p->ud, c->hook.run) : 0;
	if (!until || until == CFW_NEVER)
		return 0;
	lua_pushnumber(L, (lua_Number)until / 1e9);
	return 1;
}

/* steer(what, server | nil, ns | nil). What cancels in a hook is not made to wait: a cancel waits for hooks. */
static int l_steer(lua_State *L)
{
	static const char *const names[] = {"hurry", "extend", "skip", "cancel", NULL};
	static const enum cfw_trigger_kind kinds[] = {CFW_T_HURRY, CFW_T_EXTEND, CFW_T_SKIP, CFW_T_CANCEL};
	struct cfw_policy *p = cfw_policy_of(L);
	struct curfew_err err = {0};
	struct cfw_trigger trigger = {
		.kind = kinds[luaL_checkoption(L, 1, NULL, names)],
		.server = (cfw_id)luaL_optinteger(L, 2, 0),
		.ns = (uint64_t)luaL_optinteger(L, 3, 0),
	};
	struct cfw_task *t = cfw_guard_may_wait(L);
	trigger.at_once = t->run != 0;
	cfw_token token = cfw_task_token(t, CFW_WAIT_SERVICE);
	int rc = p->ops->steer ? p->ops->steer(p->ud, token, &trigger, &err) : cfw_err_set(&err, CURFEW_EREFUSED, "not here");
	if (rc < 0) {
		cfw_task_nowait(t);
		return cfw_fail(L, &err);
	}
	return cfw_guard_wait(L, 0, cfw_task_go_on);
}

void cfw_open_calls(lua_State *L)
{
	static const luaL_Reg funcs[] = {{"told", l_told}, {"due", l_due}, {"steer", l_steer}, {NULL, NULL}};
	luaL_setfuncs(L, funcs, 0);
}

void cfw_call_begins(const struct cfw_task *t)
{
	const struct cfw_policy *p = t->p;
	t->call->late = cfw_guard_cuts(p);
	if (t->call->hook.phase == CFW_PRE_STOP && p->ops->hook_begins)
		p->ops->hook_begins(p->ud, t->call->hook.run);
}

static void end_hook(struct cfw_task *t)
{
	static const enum cfw_outcome outcomes[] = {
		[CFW_END_OK] = CFW_OK,      [CFW_END_ERROR] = CFW_FAILED,   [CFW_END_CPU] = CFW_FAILED,
		[CFW_END_MARGIN] = CFW_CUT, [CFW_END_EXIT] = CFW_EXIT_CALL,
	}; /* only tasks that a script has spawned are cancelled aloud */
	struct cfw_policy *p = t->p;
	const char *text = t->text;
	if (!text && t->end == CFW_END_ERROR)
		text = "not enough memory";
	p->ops->hook_done(p->ud, t->run, outcomes[t->end], t->end == CFW_END_EXIT ? p->exit_code : 0, text, t->trace);
}

/* ---- for task.c ---- */

bool cfw_call_of(const struct cfw_task *t, cfw_id *server)
{
	*server = 0;
	if (!t->call)
		return false;
	*server = t->call->server ? t->call->server->id : t->call->hook.server;
	return true;
}

void cfw_call_end(struct cfw_task *t)
{
	if (t->kind == CFW_TASK_HOOK)
		end_hook(t);
	else
		cfw_lua_server_end(t);
}

void cfw_call_free(struct cfw_task_call *c)
{
	if (!c)
		return;
	const char *const strings[] = {c->hook.result, c->hook.what, c->hook.text, c->hook.traceback};
	for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
		char *own;
		memcpy(&own, &strings[i], sizeof own);
		free(own);
	}
	if (c->prev) {
		*c->prev = c->next;
		if (c->next)
			c->next->prev = c->prev;
	}
	free(c->refused);
	free(c);
}
