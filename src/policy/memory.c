/* memory.c: who pays when memory runs out (S6.5). What a slice takes is charged to the request, or else the task, that it ran for.
 * When the state nears its limit, also after a full collection, the one charged most is ended, not the one that came last. What is
 * given back by a collection counts for whoever runs then, so a charge is an estimate. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "policy/request.h"
#include "policy/state.h"
#include "policy/task.h"

static int64_t *account(const struct cfw_task *t)
{
	struct cfw_conversation *r = cfw_request_get(t->p, t->request);
	struct cfw_task *own = cfw_task_get(t->p, t->id);
	return r ? &r->memory : &own->memory;
}

void cfw_memory_charge(struct cfw_task *t)
{
	int64_t *at = account(t);
	*at += t->p->slice_memory;
	if (*at < 0)
		*at = 0;
}

/* The main script is not ended: what it holds is the policy. */
static struct cfw_task *find_largest(struct cfw_policy *p, int64_t least)
{
	struct cfw_task *found = NULL;
	for (cfw_id id = 0; (id = cfw_slots_next(&p->tasks, id));) {
		struct cfw_task *t = cfw_task_get(p, id);
		if (t->kind == CFW_TASK_MAIN || (t->state != CFW_TASK_WAITING && t->state != CFW_TASK_READY) ||
		    *account(t) <= least)
			continue;
		least = *account(t);
		found = t;
	}
	return found;
}

bool cfw_memory_may_lend(struct cfw_policy *p)
{
	int64_t own = p->current ? *account(p->current) + p->slice_memory : 0, least = (int64_t)(p->config.memory_limit / 4);
	const struct cfw_task *t = find_largest(p, own > least ? own : least);
	return t && !(p->current && account(t) == account(p->current));
}

void cfw_memory_relieve(struct cfw_policy *p)
{
	uint64_t limit = p->config.memory_limit, near = limit - limit / 8;
	if (p->memory <= near || p->memory < p->collected + limit / 32)
		return;
	lua_gc(p->L, LUA_GCCOLLECT);
	p->collected = p->memory;
	struct cfw_task *t = p->memory > near ? find_largest(p, (int64_t)(limit / 4)) : NULL;
	if (!t)
		return;
	static const char text[] = "not enough memory: memory_limit is near, and this holds most of it";
	if (t->request) {
		cfw_request_wear_out(p, t->request, text, NULL);
	} else {
		if (!t->text)
			t->text = strdup(text);
		cfw_task_fail(t);
	}
	lua_gc(p->L, LUA_GCCOLLECT);
	p->collected = p->memory;
}
