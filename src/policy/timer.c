/* timer.c: sleep, after, every. A timer's function runs in a task of its own, owned as the timer is. */
#define _GNU_SOURCE
#include <stdlib.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/time.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

#define META   "curfew.timer"
#define MOMENT (10 * CFW_MS)

struct cfw_timed {
	struct cfw_policy *p;
	struct cfw_timer timer;
	cfw_id id;
	uint64_t repeat_ns; /* 0: once */
	uint64_t delay_ns;  /* of one that sleeps until the release: from then on; CFW_NEVER of any other */
	int fn_ref;
	cfw_id request;
	uint32_t run;
	struct cfw_lua_server *server;
	cfw_id running; /* the task of its last firing, while that lives */
};

static struct cfw_timed *get(const struct cfw_policy *p, cfw_id id)
{
	struct cfw_timed **slot = id ? cfw_slots_get(&p->timed, id) : NULL;
	return slot ? *slot : NULL;
}

static uint64_t time_arg(lua_State *L, int idx)
{
	lua_Integer ns = luaL_checkinteger(L, idx);
	return ns < 0 ? 0 : (uint64_t)ns;
}

static void forget(struct cfw_timed *d)
{
	struct cfw_policy *p = d->p;
	cfw_timer_cancel(&p->timers, &d->timer);
	luaL_unref(p->L, LUA_REGISTRYINDEX, d->fn_ref);
	cfw_slots_del(&p->timed, d->id);
	p->timers_n--;
	cfw_request_drop(p, d->request);
	free(d);
}

/* A firing while the one before still runs is left out: an `every` never piles up. */
static void fire(struct cfw_timer *timer, uint64_t now_ns, void *ud)
{
	struct cfw_timed *d = ud;
	struct cfw_policy *p = d->p;
	bool once = !d->repeat_ns;
	struct cfw_task *t = d->running ? NULL : cfw_task_new(p, CFW_TASK_CALLBACK);
	if (t) {
		t->run = d->run;
		t->server = d->server;
		t->request = d->request;
		cfw_request_hold(p, d->request);
		if (once) {
			t->fn_ref = d->fn_ref;
			d->fn_ref = LUA_NOREF;
		} else {
			t->timed = d->id;
			d->running = t->id;
		}
		cfw_task_ready(t);
	} else if (!d->running) {
		cfw_log_at(cfw_policy_log(p), CFW_ERROR, "out of memory: a timer's function was not called");
	}
	if (once) {
		forget(d);
		return;
	}
	uint64_t next = cfw_time_add(timer->at_ns, d->repeat_ns);
	cfw_timer_set(&p->timers, timer, next > now_ns ? next : cfw_time_add(now_ns, d->repeat_ns));
}

bool cfw_timer_function(struct cfw_policy *p, lua_State *L, cfw_id timed)
{
	struct cfw_timed *d = get(p, timed);
	if (d)
		lua_rawgeti(L, LUA_REGISTRYINDEX, d->fn_ref);
	return d;
}

void cfw_timer_ended(struct cfw_policy *p, cfw_id timed)
{
	struct cfw_timed *d = get(p, timed);
	if (d)
		d->running = 0;
}

static int l_timer(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	uint64_t ns = time_arg(L, 1), repeat = lua_isnoneornil(L, 3) ? 0 : time_arg(L, 3);
	void *slot;
	if (lua_type(L, 2) != LUA_TFUNCTION)
		return cfw_raise(L, "timer: expected a function, got %s", luaL_typename(L, 2));
	if (!lua_isnoneornil(L, 3) && !repeat)
		return cfw_raise(L, "every: an interval of 0");
	cfw_id *handle = lua_newuserdatauv(L, sizeof *handle, 0);
	luaL_setmetatable(L, META);
	lua_pushvalue(L, 2);
	int ref = luaL_ref(L, LUA_REGISTRYINDEX);
	struct cfw_timed *d = calloc(1, sizeof *d);
	*handle = d ? cfw_slots_new(&p->timed, &slot) : 0;
	if (!*handle) {
		free(d);
		luaL_unref(L, LUA_REGISTRYINDEX, ref);
		return luaL_error(L, "not enough memory");
	}
	*(struct cfw_timed **)slot = d;
	*d = (struct cfw_timed){.p = p, .id = *handle, .repeat_ns = repeat, .fn_ref = ref};
	d->timer.fn = fire;
	d->timer.ud = d;
	p->timers_n++;
	if (p->current) {
		d->run = p->current->run;
		d->server = p->current->server;
		d->request = p->current->request;
		cfw_request_hold(p, d->request);
	}
	bool sleeps = cfw_task_sleeps(p, p->current);
	d->delay_ns = sleeps && p->staged ? ns : CFW_NEVER;
	if (cfw_timer_set(&p->timers, &d->timer, sleeps ? CFW_NEVER : cfw_time_add(cfw_policy_now(p), ns))) {
		forget(d);
		return luaL_error(L, "not enough memory");
	}
	cfw_policy_wake(p);
	return 1;
}

static int l_cancel(lua_State *L)
{
	struct cfw_policy *p = cfw_policy_of(L);
	struct cfw_timed *d = get(p, *(cfw_id *)luaL_checkudata(L, 1, META));
	if (d)
		forget(d);
	lua_pushboolean(L, d != NULL);
	return 1;
}

static void wake_sleeper(struct cfw_timer *timer, uint64_t now_ns, void *ud)
{
	(void)timer;
	(void)now_ns;
	struct cfw_task *t = ud;
	cfw_task_answer(t->p, (cfw_token)t->id << 32 | t->turn, NULL, NULL);
}

static int go_on_sleep(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	lua_pushboolean(L, 1);
	return 1;
}

static int l_sleep(lua_State *L)
{
	uint64_t ns = time_arg(L, 1);
	struct cfw_task *t = cfw_guard_may_wait(L);
	if (cfw_call_hurries(t)) /* not at once: a loop that sleeps until something is so does not spin */
		ns = cfw_time_min(ns, MOMENT);
	cfw_task_token(t, CFW_WAIT_TIMER);
	t->timer.fn = wake_sleeper;
	t->timer.ud = t;
	if (cfw_timer_set(&t->p->timers, &t->timer, cfw_time_add(cfw_policy_now(t->p), ns))) {
		cfw_task_nowait(t);
		return luaL_error(L, "not enough memory");
	}
	return cfw_guard_wait(L, 0, go_on_sleep);
}

static int l_now(lua_State *L)
{
	lua_pushnumber(L, (lua_Number)cfw_policy_now(cfw_policy_of(L)) / 1e9);
	return 1;
}

static int l_now_ns(lua_State *L)
{
	lua_pushinteger(L, (lua_Integer)cfw_policy_now(cfw_policy_of(L)));
	return 1;
}

void cfw_timers_end(struct cfw_policy *p, cfw_id request)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&p->timed, id));)
		if (get(p, id)->request == request)
			forget(get(p, id));
}

void cfw_timers_free(struct cfw_policy *p)
{
	cfw_id id;
	while ((id = cfw_slots_next(&p->timed, 0)))
		forget(get(p, id));
}

void cfw_timers_cancel_future(struct cfw_policy *p)
{
	uint64_t now = cfw_policy_now(p);
	for (cfw_id id = 0; (id = cfw_slots_next(&p->timed, id));) {
		struct cfw_timed *d = get(p, id);
		if (d->repeat_ns || d->timer.at_ns > now)
			forget(d);
	}
}

void cfw_timers_cancel_top(struct cfw_policy *p)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&p->timed, id));) {
		struct cfw_timed *d = get(p, id);
		if (!d->run && !d->request && !d->server)
			forget(d);
	}
}

void cfw_timers_release(struct cfw_policy *p)
{
	uint64_t now = cfw_policy_now(p);
	for (cfw_id id = 0; (id = cfw_slots_next(&p->timed, id));) {
		struct cfw_timed *d = get(p, id);
		if (d->delay_ns == CFW_NEVER)
			continue;
		if (cfw_timer_set(&p->timers, &d->timer, cfw_time_add(now, d->delay_ns)))
			cfw_log_at(cfw_policy_log(p), CFW_ERROR, "out of memory: a timer's function will not be called");
		d->delay_ns = CFW_NEVER;
	}
}

void cfw_open_timers(lua_State *L)
{
	static const luaL_Reg funcs[] = {
		{"timer", l_timer}, {"sleep", l_sleep}, {"now", l_now}, {"now_ns", l_now_ns}, {NULL, NULL}};
	luaL_newmetatable(L, META);
	lua_newtable(L);
	lua_pushcfunction(L, l_cancel);
	lua_setfield(L, -2, "cancel");
	lua_setfield(L, -2, "__index");
	lua_pop(L, 1);
	luaL_setfuncs(L, funcs, 0);
}
