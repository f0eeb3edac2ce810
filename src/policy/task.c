#define _GNU_SOURCE
#include "policy/task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "policy/convert.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"

struct cfw_task *cfw_task_get(const struct cfw_policy *p, cfw_id id)
{
	struct cfw_task **slot = cfw_slots_get(&p->tasks, id);
	return slot ? *slot : NULL;
}

struct cfw_task *cfw_task_new(struct cfw_policy *p, enum cfw_task_kind kind)
{
	void *slot;
	struct cfw_task *t = calloc(1, sizeof *t);
	if (!t)
		return NULL;
	t->id = cfw_slots_new(&p->tasks, &slot);
	if (!t->id) {
		free(t);
		return NULL;
	}
	*(struct cfw_task **)slot = t;
	t->p = p;
	t->turn = p->tag << 24;
	t->kind = kind;
	t->co_ref = t->fn_ref = t->handle_ref = LUA_NOREF;
	if (p->current) {
		t->run = p->current->run;
		t->server = p->current->server;
		t->request = p->current->request;
		cfw_request_hold(p, t->request);
	}
	p->busy_tasks++;
	return t;
}

/* What a stop has promised, hooks and functions that stop a server, does not stand in line behind what scripts have begun by the
 * thousand (S4.12). */
bool cfw_task_is_urgent(const struct cfw_task *t)
{
	return t->kind == CFW_TASK_HOOK || t->kind == CFW_TASK_SERVER;
}

static struct cfw_queue *queue_of(const struct cfw_task *t)
{
	return cfw_task_is_urgent(t) ? &t->p->urgent : &t->p->ready;
}

void cfw_task_ready(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	t->state = CFW_TASK_READY;
	t->next = NULL;
	struct cfw_queue *q = queue_of(t);
	*q->end = t;
	q->end = &t->next;
	cfw_policy_wake(p);
}

void cfw_task_unhold(struct cfw_task *t)
{
	if (!t->held)
		return;
	t->held = false;
	cfw_task_ready(t);
}

static void unqueue(struct cfw_task *t)
{
	struct cfw_queue *q = queue_of(t);
	struct cfw_task **at = &q->first;
	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (q->end == &t->next)
		q->end = at;
}

/* The number of its policy stays above that of the turn. */
static void next_turn(struct cfw_task *t)
{
	t->turn = (t->turn & UINT32_C(0xff000000)) | ((t->turn + 1) & 0xffffff);
}

static void drop_answer(struct cfw_task *t)
{
	cfw_value_free(t->answer);
	free(t->err);
	t->answer = NULL;
	t->err = NULL;
	t->index = 0;
}

cfw_token cfw_task_token(struct cfw_task *t, enum cfw_wait wait)
{
	drop_answer(t);
	t->state = CFW_TASK_WAITING;
	t->wait = wait;
	next_turn(t);
	return (cfw_token)t->id << 32 | t->turn;
}

void cfw_task_nowait(struct cfw_task *t)
{
	t->state = CFW_TASK_RUNNING;
	t->wait = CFW_WAIT_NONE;
	cfw_timer_cancel(&t->p->timers, &t->timer);
}

bool cfw_task_answer(struct cfw_policy *p, cfw_token token, struct cfw_value *value, const struct curfew_err *err)
{
	struct cfw_task *t = cfw_task_get(p, (cfw_id)(token >> 32));
	if (!t || t->turn != (uint32_t)token || t->state != CFW_TASK_WAITING) {
		cfw_value_free(value);
		return false;
	}
	next_turn(t);
	t->wait = CFW_WAIT_NONE;
	t->answer = value;
	cfw_timer_cancel(&p->timers, &t->timer);
	if (err && err->code && (t->err = malloc(sizeof *err)))
		*t->err = *err;
	cfw_task_ready(t);
	return true;
}

int cfw_task_push_answer(lua_State *L, struct cfw_task *t)
{
	if (t->err)
		return cfw_fail(L, t->err);
	cfw_convert_push(L, t->answer);
	return 1;
}

int cfw_task_go_on(lua_State *L, int status, lua_KContext ctx)
{
	(void)status;
	(void)ctx;
	struct cfw_task *t = cfw_policy_of(L)->current;
	int n = cfw_task_push_answer(L, t);
	drop_answer(t);
	return n;
}

/* What Lua's own interpreter gives a script as "...". */
static int push_args(lua_State *L, const struct cfw_policy *p)
{
	int n = 0;
	while (p->config.args && p->config.args[n] && p->config.args[n + 1])
		n++;
	luaL_checkstack(L, n + 1, "too many arguments");
	for (int i = 1; i <= n; i++)
		lua_pushstring(L, p->config.args[i]);
	return n;
}

/* A function of its own or a lent one, with what was waited for, or what the command line gave a script, as its arguments. */
static int begin_callback(lua_State *L, struct cfw_task *t, lua_State *co)
{
	struct cfw_policy *p = t->p;
	if (t->fn_ref != LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, t->fn_ref);
	} else if (!cfw_timer_function(p, L, t->timed) && !cfw_sub_function(p, L, t->sub)) {
		return -1;
	}
	int n = t->answer || t->err ? cfw_task_push_answer(L, t) : t->kind == CFW_TASK_MAIN ? push_args(L, p) : 0;
	luaL_checkstack(co, n + 1, "too many arguments");
	lua_xmove(L, co, n + 1);
	return n;
}

/* A request that goes on for so long is charged by the clock, not by what happens to be seen of it. */
enum { MANY_SLICES = 64 };

struct cfw_budget cfw_task_budget(const struct cfw_task *t)
{
	const struct cfw_policy_config *c = &t->p->config;
	if (t->kind == CFW_TASK_MAIN && !t->p->start_asked)
		return (struct cfw_budget){cfw_time_left(t->load_spent_ns, c->load_limit_ns), c->load_limit_ns, "load_limit",
					   false};
	struct cfw_budget budget = {cfw_time_left(t->turns_ns, c->hook_cpu_limit_ns), c->hook_cpu_limit_ns, "hook_cpu_limit",
				    false};
	const struct cfw_conversation *r = cfw_request_get(t->p, t->request);
	if (r && c->request_cpu_limit_ns != CFW_NEVER) {
		uint64_t left = cfw_time_left(r->cpu_ns, c->request_cpu_limit_ns);
		if (left < budget.limit_ns)
			budget = (struct cfw_budget){left, c->request_cpu_limit_ns, "request_cpu_limit", true};
		budget.exact = r->slices >= MANY_SLICES;
	}
	return budget;
}

static void keep_results(lua_State *L, struct cfw_task *t, int n)
{
	lua_rawgeti(L, LUA_REGISTRYINDEX, t->handle_ref);
	lua_createtable(L, n, 1);
	for (int i = n; i > 0; i--) {
		lua_xmove(t->co, L, 1);
		lua_rawseti(L, -2, i);
	}
	lua_pushinteger(L, n);
	lua_setfield(L, -2, "n");
	lua_setiuservalue(L, -2, 1);
}

/* Lua's own error for a stack that is full, on a stack that is as full as that. */
static bool is_overflow(lua_State *co)
{
	enum { DEEP = 150 }; /* LUAI_MAXCCALLS is 200, the stack's own limit far above */
	lua_Debug ar;
	const char *text = lua_type(co, -1) == LUA_TSTRING ? lua_tostring(co, -1) : NULL;
	return text && strstr(text, "stack overflow") && lua_getstack(co, DEEP, &ar);
}

static bool is_limit(const struct cfw_policy *p, const struct cfw_task *t)
{
	return t->end == CFW_END_CPU || (t->end == CFW_END_ERROR && (p->guard.status == LUA_ERRMEM || is_overflow(t->co)));
}

/* One slice, protected. */
static int slice(lua_State *L)
{
	struct cfw_task *t = lua_touserdata(L, 1);
	struct cfw_policy *p = t->p;
	int narg = t->begun ? 0 : t->narg, nres;
	bool first = !t->begun;
	if (first) {
		if (!t->co)
			t->co = cfw_thread_get(p, L, &t->co_ref);
		if (t->kind != CFW_TASK_SPAWNED)
			narg = t->begin ? t->begin(L, t, t->co) : begin_callback(L, t, t->co);
		t->begun = true;
		if (narg < 0) {
			t->end = CFW_END_OK;
			return 0;
		}
		drop_answer(t);
	}
	if (first && t->kind == CFW_TASK_HOOK)
		cfw_call_begins(t);
	struct cfw_budget budget = cfw_task_budget(t);
	t->end = cfw_guard_run(p, t->co, narg, &budget, &nres);
	t->load_spent_ns += p->guard.spent_ns;
	t->limit = is_limit(p, t);
	if (t->end == CFW_END_OK && t->handle)
		keep_results(L, t, nres);
	if (t->end == CFW_END_OK && t->kind == CFW_TASK_SERVER)
		cfw_call_results(t, nres);
	if (t->end == CFW_END_ERROR)
		cfw_failure_take(p, L, t->co, &t->text, &t->trace);
	return 0;
}

static void keep_chain(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	t->chain_n = 0;
	if (!p->chain_n)
		return;
	lua_State **chain = realloc(t->chain, p->chain_n * sizeof *chain);
	if (!chain)
		return; /* they are collected instead of closed */
	memcpy(chain, p->chain, p->chain_n * sizeof *chain);
	t->chain = chain;
	t->chain_n = p->chain_n;
	p->chain_n = 0;
}

/* Its slices are so short that the budget never looks: the request has spent what it had all the same. */
static void wear_out(const struct cfw_task *t)
{
	char text[80], limit[32];
	snprintf(text, sizeof text, "passed request_cpu_limit (%s)",
		 cfw_format_duration(limit, sizeof limit, t->p->config.request_cpu_limit_ns));
	cfw_request_wear_out(t->p, t->request, text, NULL);
}

void cfw_task_run(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	char *text = NULL;
	t->state = CFW_TASK_RUNNING;
	t->end = CFW_END_ERROR;
	p->current = t;
	p->guard.spent_ns = 0;
	p->slice_memory = 0;
	p->lent = false;
	if (cfw_guard_protect(p, slice, t, &text)) {
		t->end = CFW_END_ERROR;
		t->limit = !text;
		free(t->text);
		t->text = text ? text : strdup("not enough memory");
	}
	p->current = NULL;
	cfw_memory_charge(t);
	if (t->kind == CFW_TASK_FINALIZER)
		cfw_finalizer_ran(p, p->guard.spent_ns);
	bool worn = cfw_request_charge(p, t->request, p->guard.spent_ns);
	keep_chain(t);
	bool goes_on = t->end == CFW_END_WAIT && t->state == CFW_TASK_RUNNING; /* its turn was over, and that is all */
	t->turns_ns = goes_on && !p->staged ? t->turns_ns + p->guard.spent_ns : 0;
	if (goes_on)
		cfw_task_ready(t);
	if (t->end == CFW_END_WAIT && worn) {
		wear_out(t);
		return;
	}
	if (t->end == CFW_END_WAIT) {
		if (cfw_call_is_over(t) || (p->retired && cfw_task_is_top(t)))
			cfw_task_cancel(t, true);
		return;
	}
	if (t->end == CFW_END_CPU || t->end == CFW_END_MARGIN) {
		free(t->text);
		free(t->trace);
		t->text = p->cut_text;
		t->trace = p->cut_trace;
		p->cut_text = p->cut_trace = NULL;
	}
	if (worn && t->end == CFW_END_CPU)
		cfw_request_wear_out(p, t->request, t->text, t->trace);
	cfw_task_finish(t, false);
}

static void end_from_outside(struct cfw_task *t, enum cfw_end end, bool silent)
{
	struct cfw_policy *p = t->p;
	if (t->state == CFW_TASK_READY)
		unqueue(t);
	if (t->state == CFW_TASK_WAITING && t->wait == CFW_WAIT_SERVICE && p->ops->cancel)
		p->ops->cancel(p->ud, (cfw_token)t->id << 32 | t->turn);
	t->end = end;
	cfw_task_finish(t, silent);
}

void cfw_task_cancel(struct cfw_task *t, bool silent)
{
	end_from_outside(t, CFW_END_CANCELED, silent);
}

void cfw_task_leave(struct cfw_task *t)
{
	end_from_outside(t, CFW_END_EXIT, false);
}

void cfw_task_fail(struct cfw_task *t)
{
	end_from_outside(t, CFW_END_ERROR, false);
}
