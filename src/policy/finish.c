/* finish.c: what the end of a task means for whom it ran for. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/err.h"
#include "base/value.h"
#include "policy/failure.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

static bool failed(const struct cfw_task *t)
{
	return t->end == CFW_END_ERROR || t->end == CFW_END_CPU;
}

static void raise_error(struct cfw_task *t)
{
	struct cfw_trigger trigger = {.kind = CFW_T_ERROR};
	t->p->ops->trigger(t->p->ud, &trigger, t->text, t->trace);
}

/* More than one frame of the script: else file and line in the text say it all. */
static bool tells_more(const char *trace)
{
	int frames = 0;
	for (const char *at = trace; at && (at = strstr(at, "\n\t")); at++)
		frames += strncmp(at + 2, "[C]", 3) != 0;
	return frames > 1;
}

/* After one that failed or left the rest does not run; each load is answered all the same. */
static void drop_loads(struct cfw_policy *p)
{
	while (p->loads) {
		struct cfw_task *t = p->loads;
		p->loads = t->next;
		cfw_task_forget(t);
		p->ops->loaded(p->ud, NULL);
	}
	p->loads_end = &p->loads;
}

static void end_main(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	struct curfew_err err = {0};
	bool well = t->end == CFW_END_OK;
	p->loading = false;
	if (t->end == CFW_END_MARGIN)
		cfw_log_at(cfw_policy_log(p), CFW_WARN, "main script %s", t->text ? t->text : "cut off");
	if (failed(t) && p->start_asked && !p->reloaded)
		raise_error(t);
	else if (failed(t))
		cfw_err_set(&err, CURFEW_ELUA, "%s%s%s", t->text ? t->text : "out of memory", tells_more(t->trace) ? "\n" : "",
			    tells_more(t->trace) ? t->trace : "");
	p->ops->loaded(p->ud, err.code ? &err : NULL);
	if (!well)
		drop_loads(p);
	if (p->loads) {
		struct cfw_task *next = p->loads;
		p->loads = next->next;
		if (!p->loads)
			p->loads_end = &p->loads;
		p->loading = true;
		cfw_task_ready(next);
	}
}

/* Timers, events and callbacks of services; tasks are heard through their handle. */
static void end_callback(struct cfw_task *t)
{
	if (t->timed)
		cfw_timer_ended(t->p, t->timed);
	if (t->end == CFW_END_MARGIN && !t->request)
		cfw_log_at(cfw_policy_log(t->p), CFW_WARN, "a callback was %s", t->text ? t->text : "cut off");
	if (!failed(t))
		return;
	if (t->request)
		cfw_request_fail(t->p, t->request, t->text, t->trace, t->limit);
	else
		raise_error(t);
}

static void tell(struct cfw_task *t)
{
	if (t->end == CFW_END_MARGIN && t->kind != CFW_TASK_HOOK && t->kind != CFW_TASK_SERVER && t->p->ops->cut)
		t->p->ops->cut(t->p->ud);
	switch (t->kind) {
	case CFW_TASK_MAIN:
		end_main(t);
		break;
	case CFW_TASK_HOOK:
	case CFW_TASK_SERVER:
		cfw_call_end(t);
		break;
	case CFW_TASK_HANDLER:
		if (failed(t) || t->end == CFW_END_MARGIN)
			cfw_request_fail(t->p, t->request, t->text, t->trace, t->limit);
		break;
	case CFW_TASK_CALLBACK:
		end_callback(t);
		break;
	case CFW_TASK_FINALIZER:
		if (failed(t))
			cfw_log_with(cfw_policy_log(t->p), CFW_WARN, "a __gc finalizer failed", "error", t->text, "traceback",
				     t->trace, NULL);
		break;
	case CFW_TASK_SPAWNED:
		break; /* cfw_handle_end */
	}
}

static void close_coroutines(struct cfw_task *t)
{
	for (size_t i = 0; i < t->chain_n; i++) {
		cfw_tag(t->chain[i], CFW_TAG_LEFT, true);
		cfw_guard_close(t->p, t->chain[i]);
	}
	cfw_guard_close(t->p, t->co);
}

static int l_close_coroutines(lua_State *L)
{
	close_coroutines(lua_touserdata(L, 1));
	return 0;
}

/* S5.1: after an exit call not one more statement runs, <close> variables included: the coroutines are only forgotten. */
static void end_coroutines(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	if (!t->co)
		return;
	bool clean = t->begun && t->end == CFW_END_OK;
	if (t->begun && !clean && t->end != CFW_END_EXIT) {
		if (p->current)
			close_coroutines(t); /* a script cancels it: protected already */
		else
			cfw_guard_protect(p, l_close_coroutines, t, NULL);
	}
	cfw_thread_put(p, t->co, t->co_ref, clean);
	t->co = NULL;
}

void cfw_task_forget(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	cfw_timer_cancel(&p->timers, &t->timer);
	luaL_unref(p->L, LUA_REGISTRYINDEX, t->fn_ref);
	luaL_unref(p->L, LUA_REGISTRYINDEX, t->handle_ref);
	while (t->waiters) {
		struct cfw_waiter *w = t->waiters;
		t->waiters = w->next;
		free(w);
	}
	cfw_value_free(t->answer);
	cfw_call_free(t->call);
	cfw_slots_del(&p->tasks, t->id);
	p->busy_tasks--;
	free(t->err);
	free(t->chain);
	free(t->event);
	free(t->text);
	free(t->trace);
	free(t);
}

void cfw_task_discard(struct cfw_task *t)
{
	struct cfw_policy *p = t->p;
	if (t->co)
		cfw_thread_put(p, t->co, t->co_ref, true);
	cfw_request_drop(p, t->request);
	cfw_task_forget(t);
}

void cfw_task_finish(struct cfw_task *t, bool silent)
{
	struct cfw_policy *p = t->p;
	t->state = CFW_TASK_DONE;
	end_coroutines(t);
	if (t->handle)
		cfw_handle_end(t);
	cfw_task_tell_waiters(t);
	if (!silent)
		tell(t);
	cfw_request_drop(p, t->request);
	cfw_task_forget(t);
}
