#include "adapters/calls.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/time.h"

static struct cfw_call *find(const struct cfw_calls *c, curfew_loop_fn *fn, const void *ud)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->items[i].fn == fn && c->items[i].ud == ud)
			return &c->items[i];
	return NULL;
}

static void drop(struct cfw_calls *c, struct cfw_call *call)
{
	*call = c->items[--c->n];
}

static struct cfw_call *append(struct cfw_calls *c)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 4;
		struct cfw_call *items = realloc(c->items, cap * sizeof *items);
		if (!items)
			return NULL;
		c->items = items;
		c->cap = cap;
	}
	return &c->items[c->n++];
}

int cfw_calls_set(struct cfw_calls *c, curfew_loop_fn *fn, void *ud, uint64_t at_ns)
{
	struct cfw_call *call = find(c, fn, ud);
	if (at_ns == CFW_NEVER) {
		if (call)
			drop(c, call);
		return 0;
	}
	if (!call && !(call = append(c)))
		return CURFEW_ENOMEM;
	*call = (struct cfw_call){.fn = fn, .ud = ud, .at_ns = at_ns, .order = ++c->orders};
	return 0;
}

int cfw_calls_defer(struct cfw_calls *c, curfew_loop_fn *fn, void *ud)
{
	return find(c, fn, ud) ? 0 : cfw_calls_set(c, fn, ud, 0);
}

uint64_t cfw_calls_deadline(const struct cfw_calls *c)
{
	uint64_t at = CFW_NEVER;
	for (size_t i = 0; i < c->n; i++)
		at = cfw_time_min(at, c->items[i].at_ns);
	return at;
}

/* The earliest that is due and was set no later than the order last. */
static struct cfw_call *next_due(const struct cfw_calls *c, uint64_t now_ns, uint64_t last)
{
	struct cfw_call *best = NULL;
	for (size_t i = 0; i < c->n; i++) {
		struct cfw_call *call = &c->items[i];
		if (call->at_ns > now_ns || call->order > last)
			continue;
		if (!best || call->at_ns < best->at_ns || (call->at_ns == best->at_ns && call->order < best->order))
			best = call;
	}
	return best;
}

void cfw_calls_run(struct cfw_calls *c, uint64_t now_ns)
{
	uint64_t last = c->orders;
	struct cfw_call *due;
	while ((due = next_due(c, now_ns, last))) {
		struct cfw_call call = *due;
		drop(c, due);
		call.fn(call.ud);
	}
}

void cfw_calls_forget(struct cfw_calls *c)
{
	c->n = 0;
}

void cfw_calls_clear(struct cfw_calls *c)
{
	free(c->items);
	*c = (struct cfw_calls){0};
}
