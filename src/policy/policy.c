#define _GNU_SOURCE
#include "policy/policy.h"

#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/time.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

/* Fairness of a step: at most so many coroutines, and no new one after so long. */
enum { BATCH = 256, HURRY_BYTES = 4 << 20 };
#define HURRY_NS CFW_SEC
#define BATCH_NS (10 * CFW_MS)

void cfw_policy_config_default(struct cfw_policy_config *c)
{
	*c = (struct cfw_policy_config){
		.memory_limit = 64 << 20,
		.hook_cpu_limit_ns = 100 * CFW_MS,
		.request_cpu_limit_ns = CFW_SEC,
		.load_limit_ns = 5 * CFW_SEC,
	};
}

void cfw_policy_configure(struct cfw_policy *p, const struct cfw_policy_config *config)
{
	p->config = *config;
	if (p->current) /* the slice that configures is the first to feel it */
		p->guard.budget = cfw_task_budget(p->current);
}

struct cfw_policy *cfw_policy_new(const struct cfw_policy_ops *ops, void *ud, struct cfw_page *page,
				  const struct cfw_policy_config *config, struct curfew_err *err)
{
	struct cfw_policy *p = calloc(1, sizeof *p);
	if (!p) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	p->ops = ops;
	p->ud = ud;
	p->page = page;
	if (config)
		p->config = *config;
	else
		cfw_policy_config_default(&p->config);
	p->alloc = p->config.alloc ? *p->config.alloc : cfw_alloc_std;
	for (int i = 0; i < CFW_ENTRIES; i++)
		p->entry[i] = LUA_NOREF;
	p->ready.end = &p->ready.first;
	p->urgent.end = &p->urgent.first;
	p->loads_end = &p->loads;
	p->emits_end = &p->emits;
	cfw_timers_init(&p->timers);
	cfw_slots_init(&p->tasks, &cfw_alloc_std, sizeof(struct cfw_task *));
	cfw_slots_init(&p->timed, &cfw_alloc_std, sizeof(void *));
	cfw_slots_init(&p->requests, &cfw_alloc_std, sizeof(struct cfw_conversation));
	cfw_slots_init(&p->subs, &cfw_alloc_std, cfw_sub_size());
	if (cfw_state_open(p, err)) {
		cfw_policy_free(p);
		return NULL;
	}
	return p;
}

/* What <close> variables spawn meanwhile has not begun, so this ends. */
static void cancel_all(struct cfw_policy *p)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id)) || (id = cfw_slots_next(&p->tasks, 0));)
		cfw_task_cancel(cfw_task_get(p, id), true);
}

static void end_scripts(struct cfw_policy *p)
{
	p->stepping = true; /* no more wakes */
	cfw_output_end(p);
	if (p->L) {
		cancel_all(p);
		cfw_finalizers_end(p);
		cancel_all(p); /* what finalizers began */
	}
}

void cfw_policy_let_go(struct cfw_policy *p)
{
	if (p->let_go)
		return;
	p->let_go = true;
	end_scripts(p);
	if (!p->L)
		return;
	cfw_rejections_clear(p);
	cfw_timers_free(p);
	cfw_events_free(p);
	cfw_requests_free(p);
	cfw_servers_free(p);
	cfw_rules_free(p);
}

bool cfw_policy_leave(struct cfw_policy *p)
{
	if (!p->let_go)
		end_scripts(p);
	return !p->L || !cfw_state_has_modules(p);
}

void cfw_policy_free(struct cfw_policy *p)
{
	if (!p)
		return;
	cfw_policy_let_go(p);
	cfw_state_close(p);
	cfw_timers_clear(&p->timers);
	cfw_slots_clear(&p->tasks);
	cfw_slots_clear(&p->timed);
	cfw_slots_clear(&p->requests);
	cfw_slots_clear(&p->subs);
	cfw_free(&cfw_alloc_std, p->counts, p->counts_cap * sizeof *p->counts);
	free(p->cut_text);
	free(p->cut_trace);
	free(p);
}

struct load {
	const char *chunk, *src;
	size_t n;
	struct cfw_task *task;
};

static int compile(lua_State *L)
{
	struct load *load = lua_touserdata(L, 1);
	lua_pushfstring(L, "@%s", load->chunk);
	if (luaL_loadbufferx(L, load->src, load->n, lua_tostring(L, -1), "t") != LUA_OK)
		return lua_error(L);
	load->task->fn_ref = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

int cfw_policy_load(struct cfw_policy *p, const char *chunk, const char *src, size_t n, struct curfew_err *err)
{
	struct load load = {chunk, src, n, cfw_task_new(p, CFW_TASK_MAIN)};
	char *text = NULL;
	if (!load.task)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (n && *src == '#') { /* a first line for the shell; its end is kept, for the numbers of the lines */
		const char *end = memchr(src, '\n', n);
		load.src = end ? end : src + n;
		load.n -= (size_t)(load.src - src);
	}
	int rc = cfw_guard_protect(p, compile, &load, &text);
	if (rc) {
		bool named = text && !strncmp(text, chunk, strlen(chunk)); /* by the compiler; of bytecode it says nothing */
		cfw_err_set(err, rc, "%s%s%s", named ? "" : chunk, named ? "" : ": ", text ? text : "not enough memory");
		free(text);
		cfw_task_discard(load.task);
		return rc;
	}
	if (p->loading) {
		*p->loads_end = load.task;
		p->loads_end = &load.task->next;
		return 0;
	}
	p->loading = true;
	cfw_task_ready(load.task);
	return 0;
}

void cfw_policy_answer(struct cfw_policy *p, cfw_token token, struct cfw_value *value, const struct curfew_err *err)
{
	cfw_task_answer(p, token, value, err);
}

void cfw_policy_hurry(struct cfw_policy *p)
{
	if (p->hurried || p->memory + HURRY_BYTES > p->config.memory_limit / 2 || !lua_gc(p->L, LUA_GCISRUNNING))
		return;
	p->hurried = true;
	p->hurry_ns = cfw_time_now() + HURRY_NS;
	p->hurry_memory = p->memory + HURRY_BYTES;
	lua_gc(p->L, LUA_GCSTOP);
}

/* Short of it allocations that fail collect by themselves. */
static void end_hurry(struct cfw_policy *p, uint64_t now_ns)
{
	if (!p->hurried || (now_ns < p->hurry_ns && p->memory < p->hurry_memory))
		return;
	p->hurried = false;
	lua_gc(p->L, LUA_GCRESTART);
}

/* After a slice that took long: what else of this server is ready goes behind the others. */
static void demote(struct cfw_policy *p, cfw_id server)
{
	struct cfw_queue *q = &p->urgent, last;
	last.end = &last.first;
	struct cfw_task **at = &q->first, *t;
	while ((t = *at)) {
		if (cfw_call_server(t) != server) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		*last.end = t;
		last.end = &t->next;
	}
	*last.end = NULL;
	if (last.end == &last.first)
		return;
	*at = last.first;
	q->end = last.end;
}

static struct cfw_task *next_ready(struct cfw_policy *p)
{
	struct cfw_queue *q = p->urgent.first && (p->urgent_next || !p->ready.first) ? &p->urgent : &p->ready;
	p->urgent_next = q == &p->ready;
	if (!q->first)
		return NULL;
	struct cfw_task *t = q->first;
	q->first = t->next;
	if (!q->first)
		q->end = &q->first;
	return t;
}

void cfw_policy_step(struct cfw_policy *p, uint64_t now_ns)
{
	uint64_t began = cfw_time_now();
	struct cfw_task *t;
	p->stepping = true;
	p->step_no++;
	end_hurry(p, began);
	cfw_events_step(p);
	cfw_requests_step(p);
	cfw_finalizers_step(p);
	cfw_timers_run(&p->timers, now_ns);
	for (int i = 0; i < BATCH && cfw_time_now() - began < BATCH_NS && (t = next_ready(p)); i++) {
		bool urgent = !p->urgent_next; /* as next_ready has left it */
		cfw_id server = cfw_call_server(t);
		uint64_t ran_ns = cfw_time_now();
		cfw_task_run(t);
		if (urgent && p->urgent.first && cfw_time_now() - ran_ns >= CFW_MS)
			demote(p, server);
		cfw_memory_relieve(p);
		if (p->staged)
			break; /* the others' turn */
	}
	cfw_rejections_step(p);
	p->stepping = false;
	if (!cfw_policy_deadline(p))
		cfw_policy_wake(p);
}

uint64_t cfw_policy_deadline(const struct cfw_policy *p)
{
	if (cfw_policy_ready(p) || p->emits || p->released)
		return 0;
	uint64_t at = cfw_timers_deadline(&p->timers);
	return p->finalizers_n ? cfw_time_min(at, p->finalizers_ns) : at;
}

void cfw_policy_abandon_current(struct cfw_policy *p, int code)
{
	struct cfw_task *t = p->current;
	p->current = NULL;
	p->asking = false;
	p->chain_n = 0;
	p->guard.root = NULL;
	p->guard.nest = NULL;
	if (!t)
		return;
	/* its coroutine is under way below us on the C stack: collected it must not be, closed neither */
	lua_gc(p->L, LUA_GCSTOP);
	p->exit_code = code;
	t->end = CFW_END_EXIT;
	cfw_task_finish(t, false);
}

void cfw_policy_deactivate(struct cfw_policy *p)
{
	p->deactivated = true;
	cfw_timers_cancel_future(p);
}

bool cfw_policy_busy(const struct cfw_policy *p)
{
	return p->busy_tasks || p->timers_n || p->requests_n;
}
