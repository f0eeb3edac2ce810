/* await.c: spawn, await, any, cancel; and failures that nobody awaited (S2.6). */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

#define META "curfew.task"

/* A spawned task failed with nobody waiting. Decided at the end of the turn. */
struct cfw_rejection {
	struct cfw_rejection *next;
	uint64_t step_no;
	int handle_ref;
	struct cfw_task_handle *handle;
	cfw_id request; /* kept alive until it is decided */
	char *text, *trace;
	bool limit;
};

static struct cfw_task_handle *check_handle(lua_State *L, int idx)
{
	struct cfw_task_handle *h = *(struct cfw_task_handle **)luaL_checkudata(L, idx, META);
	if (!h) /* a finalizer of the script's reaches for what was collected with its object */
		cfw_raise(L, "the task was collected");
	return h;
}

static void free_handle(struct cfw_owned *o)
{
	struct cfw_task_handle *h = (struct cfw_task_handle *)o;
	free(h->text);
	free(h);
}

static struct cfw_task_handle *push_handle(lua_State *L)
{
	struct cfw_task_handle **u = lua_newuserdatauv(L, sizeof(struct cfw_task_handle *), 1);
	*u = NULL;
	luaL_setmetatable(L, META);
	struct cfw_task_handle *h = calloc(1, sizeof *h);
	if (!h)
		cfw_raise(L, "not enough memory");
	cfw_own(cfw_policy_of(L), &h->owned, free_handle);
	h->end = CFW_END_WAIT;
	return *u = h;
}

static int l_spawn(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	int narg = lua_gettop(L) - 1;
	if (lua_type(L, 1) != LUA_TFUNCTION)
		return cfw_raise(L, "spawn: expected a function, got %s", luaL_typename(L, 1));
	cfw_thread_reserve(p, L);
	struct cfw_task_handle *h = push_handle(L);
	lua_insert(L, 1);
	lua_pushvalue(L, 1);
	int handle_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct cfw_task *t = cfw_task_new(p, CFW_TASK_SPAWNED); /* nothing raises before it is complete */
	if (!t) {
		luaL_unref(L, LUA_REGISTRYINDEX, handle_ref);
		return luaL_error(L, "not enough memory");
	}
	t->handle_ref = handle_ref;
	t->co = cfw_thread_get(p, L, &t->co_ref);
	if (!lua_checkstack(t->co, narg + 1)) {
		cfw_task_discard(t);
		return luaL_error(L, "too many arguments");
	}
	t->handle = h;
	h->id = t->id;
	t->narg = narg;
	lua_xmove(L, t->co, narg + 1);
	t->held = cfw_task_sleeps(p, p->current);
	if (!t->held)
		cfw_task_ready(t);
	return 1;
}

static int l_handle_gc(lua_State *L)
{
	struct cfw_task_handle **u = luaL_checkudata(L, 1, META), *h = *u;
	*u = NULL;
	cfw_disown(h ? &h->owned : NULL);
	return 0;
}

static int push_outcome(lua_State *L, int idx, const struct cfw_task_handle *h)
{
	if (h->end == CFW_END_OK) {
		lua_getiuservalue(L, idx, 1);
		lua_getfield(L, -1, "n");
		int n = (int)lua_tointeger(L, -1);
		lua_pop(L, 1);
		luaL_checkstack(L, n, "too many results");
		int table = lua_gettop(L);
		for (int i = 1; i <= n; i++)
			lua_rawgeti(L, table, i);
		return n;
	}
	if (h->end == CFW_END_ERROR || h->end == CFW_END_CPU || h->end == CFW_END_MARGIN)
		return cfw_fail_with(L, h->text ? h->text : "not enough memory", "ELUA");
	return cfw_fail_with(L, "canceled", "ECANCELED");
}

static void time_out(struct cfw_timer *timer, uint64_t now_ns, void *ud)
{
	(void)timer;
	(void)now_ns;
	struct cfw_task *t = ud;
	struct curfew_err err;
	cfw_err_set(&err, CURFEW_ETIMEOUT, "timed out");
	cfw_task_answer(t->p, (cfw_token)t->id << 32 | t->turn, NULL, &err);
}

/* When a wait with a timeout at idx is over; read before the wait begins, since it may raise. */
static uint64_t check_time_out(lua_State *L, int idx)
{
	if (lua_isnoneornil(L, idx))
		return CFW_NEVER;
	lua_Integer ns = luaL_checkinteger(L, idx);
	return cfw_time_add(cfw_policy_now(cfw_policy_of(L)), ns < 0 ? 0 : (uint64_t)ns);
}

static void set_time_out(lua_State *L, struct cfw_task *t, uint64_t at_ns)
{
	t->timer.fn = time_out;
	t->timer.ud = t;
	if (cfw_timer_set(&t->p->timers, &t->timer, at_ns)) {
		cfw_task_nowait(t);
		luaL_error(L, "not enough memory");
	}
}

/* Put token on the list of target; what is stale there goes. False when out of memory. */
static bool add_waiter(struct cfw_task *target, cfw_token token, int index)
{
	struct cfw_waiter *new = malloc(sizeof *new), **at = &target->waiters, *w;
	if (!new)
		return false;
	while ((w = *at)) {
		struct cfw_task *t = cfw_task_get(target->p, (cfw_id)(w->token >> 32));
		if (t && t->turn == (uint32_t)w->token) {
			at = &w->next;
			continue;
		}
		*at = w->next;
		free(w);
	}
	*new = (struct cfw_waiter){.token = token, .index = index};
	*at = new;
	return true;
}

static int go_on_await(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	struct cfw_task *t = cfw_policy_of(L)->current;
	if (t->err)
		return cfw_fail(L, t->err);
	return push_outcome(L, 1, check_handle(L, 1));
}

static int l_await(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct cfw_task_handle *h = check_handle(L, 1);
	h->seen = true;
	struct cfw_task *target = cfw_task_get(p, h->id);
	if (!target || h->end != CFW_END_WAIT)
		return push_outcome(L, 1, h);
	struct cfw_task *t = cfw_guard_may_wait(L);
	if (target == t)
		return cfw_raise(L, "a task cannot await itself");
	uint64_t until = check_time_out(L, 2);
	cfw_token token = cfw_task_token(t, CFW_WAIT_TASK);
	if (!add_waiter(target, token, 0)) {
		cfw_task_nowait(t);
		return luaL_error(L, "not enough memory");
	}
	cfw_task_unhold(target);
	set_time_out(L, t, until);
	return cfw_guard_wait(L, 0, go_on_await);
}

static int go_on_any(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	struct cfw_task *t = cfw_policy_of(L)->current;
	if (t->err)
		return cfw_fail(L, t->err);
	lua_pushinteger(L, t->index);
	return 1;
}

/* c.any(list [, ns]): the index of a task that has ended. */
static int l_any(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	luaL_checktype(L, 1, LUA_TTABLE);
	int n = (int)lua_rawlen(L, 1);
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		struct cfw_task_handle *h = check_handle(L, -1);
		lua_pop(L, 1);
		h->seen = true;
		if (h->end != CFW_END_WAIT) {
			lua_pushinteger(L, i);
			return 1;
		}
		if (p->current && h->id == p->current->id)
			return cfw_raise(L, "a task cannot await itself");
	}
	struct cfw_task *t = cfw_guard_may_wait(L);
	uint64_t until = check_time_out(L, 2);
	if (!n && until == CFW_NEVER)
		return cfw_raise(L, "any: nothing to wait for");
	cfw_token token = cfw_task_token(t, CFW_WAIT_TASK);
	for (int i = 1; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		const struct cfw_task_handle *h = check_handle(L, -1);
		lua_pop(L, 1);
		struct cfw_task *target = cfw_task_get(p, h->id);
		if (target && !add_waiter(target, token, i)) {
			cfw_task_nowait(t);
			return luaL_error(L, "not enough memory");
		}
		if (target)
			cfw_task_unhold(target);
	}
	set_time_out(L, t, until);
	return cfw_guard_wait(L, 0, go_on_any);
}

/* S5.1: who awaits a task that left by an exit call is on the chain that led there: it leaves with it. */
static void leave_with(struct cfw_task *t)
{
	struct cfw_waiter *w = t->waiters;
	t->waiters = NULL;
	while (w) {
		struct cfw_waiter *next = w->next;
		struct cfw_task *other = cfw_task_get(t->p, (cfw_id)(w->token >> 32));
		if (other && other->turn == (uint32_t)w->token)
			cfw_task_leave(other);
		free(w);
		w = next;
	}
}

void cfw_task_tell_waiters(struct cfw_task *t)
{
	if (t->end == CFW_END_EXIT) {
		leave_with(t);
		return;
	}
	for (struct cfw_waiter *w = t->waiters; w; w = w->next) {
		struct cfw_task *other = cfw_task_get(t->p, (cfw_id)(w->token >> 32));
		if (cfw_task_answer(t->p, w->token, NULL, NULL))
			other->index = w->index;
	}
}

static bool awaited(const struct cfw_task *t)
{
	for (const struct cfw_waiter *w = t->waiters; w; w = w->next) {
		struct cfw_task *other = cfw_task_get(t->p, (cfw_id)(w->token >> 32));
		if (other && other->turn == (uint32_t)w->token)
			return true;
	}
	return false;
}

void cfw_handle_end(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	struct cfw_task_handle *h = t->handle;
	h->end = t->end;
	if (t->end != CFW_END_ERROR && t->end != CFW_END_CPU && t->end != CFW_END_MARGIN)
		return;
	h->text = t->text ? strdup(t->text) : NULL;
	h->seen = awaited(t);
	if (h->seen || t->end == CFW_END_MARGIN)
		return;
	struct cfw_rejection *r = calloc(1, sizeof *r);
	if (!r)
		return;
	*r = (struct cfw_rejection){
		.next = p->rejections,
		.step_no = p->step_no,
		.handle_ref = t->handle_ref,
		.handle = h,
		.request = t->request,
		.text = t->text,
		.trace = t->trace,
		.limit = t->limit,
	};
	cfw_request_hold(p, r->request);
	p->rejections = r;
	t->handle_ref = LUA_NOREF;
	t->handle = NULL;
	t->text = t->trace = NULL;
}

static void end_rejection(struct cfw_policy *p, struct cfw_rejection *r, bool raise)
{
	if (raise && !r->handle->seen) {
		struct cfw_trigger trigger = {.kind = CFW_T_REJECTION};
		if (r->request)
			cfw_request_fail(p, r->request, r->text, r->trace, r->limit);
		else
			p->ops->trigger(p->ud, &trigger, r->text, r->trace);
	}
	luaL_unref(p->L, LUA_REGISTRYINDEX, r->handle_ref);
	cfw_request_drop(p, r->request);
	free(r->text);
	free(r->trace);
	free(r);
}

/* The turn is over when all that was ready has run; a longer queue than one step takes gets one more. */
void cfw_rejections_step(struct cfw_policy *p)
{
	struct cfw_rejection *due = NULL, **at = &p->rejections, *r;
	while ((r = *at)) {
		if (cfw_policy_ready(p) && r->step_no == p->step_no) {
			at = &r->next;
			continue;
		}
		*at = r->next;
		r->next = due; /* the list is newest first: now in order */
		due = r;
	}
	while ((r = due)) {
		due = r->next;
		end_rejection(p, r, true);
	}
}

void cfw_rejections_clear(struct cfw_policy *p)
{
	while (p->rejections) {
		struct cfw_rejection *r = p->rejections;
		p->rejections = r->next;
		end_rejection(p, r, false);
	}
}

static int l_cancel(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct cfw_task *t = cfw_task_get(p, check_handle(L, 1)->id);
	if (!t || t->state == CFW_TASK_DONE) { /* done: one of its own <close> variables asks */
		lua_pushboolean(L, 0);
		return 1;
	}
	if (t == p->current)
		return cfw_guard_leave(L, CFW_END_CANCELED);
	cfw_task_cancel(t, false);
	if (cfw_guard_dead(p)) /* os.exit in one of its <close> variables */
		return cfw_guard_leave(L, p->guard.why);
	lua_pushboolean(L, 1);
	return 1;
}

static int l_done(lua_State *L)
{
	lua_pushboolean(L, check_handle(L, 1)->end != CFW_END_WAIT);
	return 1;
}

void cfw_open_await(lua_State *L)
{
	static const luaL_Reg methods[] = {{"await", l_await}, {"cancel", l_cancel}, {"done", l_done}, {NULL, NULL}};
	luaL_newmetatable(L, META);
	luaL_newlib(L, methods);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, l_handle_gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
	lua_pushcfunction(L, l_spawn);
	lua_setfield(L, -2, "spawn");
	lua_pushcfunction(L, l_any);
	lua_setfield(L, -2, "any");
}
