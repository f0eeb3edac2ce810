/* request.c: the life of a request or connection: who it belongs to, how it fails, when it is released. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/exchange.h"
#include "base/time.h"
#include "base/value.h"
#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

struct cfw_conversation *cfw_request_get(const struct cfw_policy *p, cfw_id id)
{
	return id ? cfw_slots_get(&p->requests, id) : NULL;
}

/* "GET /x" or "tcp". */
static const char *what_of(const struct cfw_conversation *r, char *buf, size_t n)
{
	if (!r->x || r->x->kind != CFW_X_HTTP)
		return "tcp connection";
	snprintf(buf, n, "%s %s", cfw_value_get_str(r->x->request, "method", "?"),
		 cfw_value_get_str(r->x->request, "path", "?"));
	return buf;
}

/* S6.3: whoever wrote the handler has forgotten something. */
static void note_unanswered(const struct cfw_policy *p, const struct cfw_conversation *r)
{
	char what[256];
	if (r->x && r->x->kind == CFW_X_HTTP && !r->begun && !r->ended && !p->ending)
		cfw_log_with(cfw_policy_log(p), CFW_WARN, "a request has ended without a reply", "request",
			     what_of(r, what, sizeof what), NULL);
}

static void release(struct cfw_policy *p, cfw_id id, struct cfw_conversation *r)
{
	note_unanswered(p, r);
	struct cfw_exchange *x = r->x;
	cfw_slots_del(&p->requests, id);
	p->requests_n--;
	if (x) {
		x->policy_ud = NULL;
		x->ops->release(x);
	}
}

void cfw_request_settle(struct cfw_policy *p, cfw_id id)
{
	struct cfw_conversation *r = cfw_request_get(p, id);
	if (r && !r->live && (!r->held || r->ended || !r->x))
		release(p, id, r);
}

void cfw_request_hold(struct cfw_policy *p, cfw_id id)
{
	struct cfw_conversation *r = cfw_request_get(p, id);
	if (r)
		r->live++;
}

void cfw_request_drop(struct cfw_policy *p, cfw_id id)
{
	struct cfw_conversation *r = cfw_request_get(p, id);
	if (!r)
		return;
	r->live--;
	cfw_request_settle(p, id);
}

void cfw_policy_request_counts(const struct cfw_policy *p, cfw_id server, uint64_t *errors, uint64_t *limits)
{
	const struct cfw_counts *counts = cfw_request_counts(p, server);
	*errors = counts ? counts->errors : 0;
	*limits = counts ? counts->limits : 0;
}

const struct cfw_counts *cfw_request_counts(const struct cfw_policy *p, cfw_id server)
{
	for (size_t i = 0; i < p->counts_n; i++)
		if (p->counts[i].server == server)
			return &p->counts[i];
	return NULL;
}

static void count_failure(struct cfw_policy *p, cfw_id server, bool limit)
{
	size_t i = 0;
	while (i < p->counts_n && p->counts[i].server != server)
		i++;
	if (i == p->counts_n) {
		if (cfw_grow(&cfw_alloc_std, &p->counts, &p->counts_cap, i + 1, sizeof *p->counts))
			return;
		p->counts[p->counts_n++] = (struct cfw_counts){.server = server};
	}
	p->counts[i].errors++;
	p->counts[i].limits += limit;
}

void cfw_request_fail(struct cfw_policy *p, cfw_id id, const char *text, const char *trace, bool limit)
{
	static const char sorry[] = "Internal Server Error\n";
	struct cfw_conversation *r = cfw_request_get(p, id);
	char what[256];
	if (!r || r->worn)
		return;
	count_failure(p, r->server, limit);
	cfw_log_with(cfw_policy_log(p), CFW_ERROR, "request failed", "request", what_of(r, what, sizeof what), "error",
		     text ? text : "not enough memory", "traceback", trace, NULL);
	struct cfw_exchange *x = r->x;
	if (x && !r->ended) {
		r->ended = true;
		if (x->kind != CFW_X_HTTP || r->begun || x->ops->reply(x, 500, NULL, sorry, sizeof sorry - 1) < 0)
			x->ops->close(x);
	}
	if (p->config.strict) {
		struct cfw_trigger t = {.kind = CFW_T_ERROR};
		p->ops->trigger(p->ud, &t, text, trace);
	}
}

bool cfw_request_charge(struct cfw_policy *p, cfw_id id, uint64_t cpu_ns)
{
	struct cfw_conversation *r = cfw_request_get(p, id);
	if (!r)
		return false;
	r->slices++;
	r->cpu_ns = cfw_time_add(r->cpu_ns, cpu_ns);
	return r->cpu_ns >= p->config.request_cpu_limit_ns;
}

void cfw_request_wear_out(struct cfw_policy *p, cfw_id id, const char *text, const char *trace)
{
	cfw_request_hold(p, id);
	cfw_request_fail(p, id, text, trace, true);
	cfw_request_get(p, id)->worn = true;
	cfw_timers_end(p, id);
	for (cfw_id task = 0; (task = cfw_slots_next(&p->tasks, task));) {
		struct cfw_task *t = cfw_task_get(p, task);
		if (t->request == id && (t->state == CFW_TASK_WAITING || t->state == CFW_TASK_READY))
			cfw_task_cancel(t, true);
	}
	cfw_request_drop(p, id);
}

static int begin_handler(lua_State *L, struct cfw_task *t, lua_State *co)
{
	struct cfw_policy *p = t->p;
	struct cfw_conversation *r = cfw_request_get(p, t->request);
	if (!r || !r->x)
		return -1; /* left before it began */
	int n = 1;
	if (p->entry[CFW_ENTRY_SERVE] != LUA_NOREF) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, p->entry[CFW_ENTRY_SERVE]);
		lua_pushstring(L, r->x->kind == CFW_X_HTTP ? "http" : "tcp");
		n += 2;
	}
	cfw_id server = r->server;
	lua_rawgeti(L, LUA_REGISTRYINDEX, r->ref);
	cfw_push_exchange(L, t->request);
	lua_pushinteger(L, server);
	lua_xmove(L, co, n + 2);
	return n + 1;
}

int cfw_policy_serve(struct cfw_policy *p, cfw_id server, int64_t ref, struct cfw_exchange *x)
{
	void *item;
	cfw_id id = cfw_slots_new(&p->requests, &item);
	if (!id)
		return CURFEW_ENOMEM;
	struct cfw_task *t = cfw_task_new(p, CFW_TASK_HANDLER);
	if (!t) {
		cfw_slots_del(&p->requests, id);
		return CURFEW_ENOMEM;
	}
	*(struct cfw_conversation *)item = (struct cfw_conversation){.x = x, .live = 1, .server = server, .ref = ref};
	p->requests_n++;
	uintptr_t mark = id;
	x->policy_ud = (void *)mark;
	t->request = id;
	t->run = 0;
	t->begin = begin_handler;
	cfw_task_ready(t);
	return 0;
}

/* What waits for the connection hears of it; the rest of the handler goes on and finds its replies refused. */
void cfw_policy_gone(struct cfw_policy *p, struct cfw_exchange *x)
{
	cfw_id request = (cfw_id)(uintptr_t)x->policy_ud;
	struct cfw_conversation *r = cfw_request_get(p, request);
	struct curfew_err err;
	if (!r || r->x != x)
		return;
	r->x = NULL;
	r->ended = true;
	cfw_err_set(&err, CURFEW_ESYS, "the peer is gone");
	err.sys_errno = EPIPE;
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		struct cfw_task *t = cfw_task_get(p, id);
		if (t->request == request && t->state == CFW_TASK_WAITING && t->wait == CFW_WAIT_EXCHANGE)
			cfw_task_answer(p, (cfw_token)id << 32 | t->turn, NULL, &err);
	}
	cfw_request_settle(p, request);
}

/* Userdata that held a request and were collected: nobody can reply any more. */
void cfw_requests_step(struct cfw_policy *p)
{
	if (!p->released)
		return;
	p->released = false;
	for (cfw_id id = 0, next; (next = cfw_slots_next(&p->requests, id)); id = next)
		cfw_request_settle(p, next);
}

void cfw_requests_free(struct cfw_policy *p)
{
	cfw_id id;
	while ((id = cfw_slots_next(&p->requests, 0)))
		release(p, id, cfw_request_get(p, id));
}
