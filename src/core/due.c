/* The limits that run, in a heap with one place for each server, hook and question: setting one never needs memory. */
#include <assert.h>

#include "core/machine.h"

int cfw_due_reserve(struct cfw_core *c, size_t n)
{
	return cfw_grow(&c->alloc, &c->heap, &c->heap_cap, n, sizeof *c->heap);
}

static uint32_t *position(struct cfw_core *c, enum cfw_due_what what, cfw_id id)
{
	if (what == CFW_DUE_SERVER)
		return &cfw_server_get(c, id)->timer;
	if (what == CFW_DUE_HOOK)
		return &cfw_hook_get(c, id)->timer;
	return &((struct cfw_question *)cfw_slots_get(&c->questions, id))->timer;
}

static void place(struct cfw_core *c, size_t i, struct cfw_due d)
{
	c->heap[i] = d;
	*position(c, d.what, d.id) = (uint32_t)i + 1;
}

static uint32_t order(const struct cfw_core *c, const struct cfw_due *d)
{
	if (d->what != CFW_DUE_QUESTION)
		return d->id;
	return ((const struct cfw_question *)cfw_slots_get(&c->questions, d->id))->trigger.number;
}

/* Ties go by kind and id, questions in the order of their triggers: the same events always give the same order, and the first cause
 * stays the first. */
static bool before(const struct cfw_core *c, const struct cfw_due *a, const struct cfw_due *b)
{
	if (a->at_ns != b->at_ns)
		return a->at_ns < b->at_ns;
	if (a->what != b->what)
		return a->what < b->what;
	return order(c, a) < order(c, b);
}

static void sift(struct cfw_core *c, size_t i, struct cfw_due d)
{
	while (i > 0 && before(c, &d, &c->heap[(i - 1) / 2])) {
		place(c, i, c->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	for (;;) {
		size_t kid = 2 * i + 1;
		if (kid + 1 < c->heap_len && before(c, &c->heap[kid + 1], &c->heap[kid]))
			kid++;
		if (kid >= c->heap_len || !before(c, &c->heap[kid], &d))
			break;
		place(c, i, c->heap[kid]);
		i = kid;
	}
	place(c, i, d);
}

static void take_out(struct cfw_core *c, size_t i)
{
	*position(c, c->heap[i].what, c->heap[i].id) = 0;
	struct cfw_due last = c->heap[--c->heap_len];
	if (i < c->heap_len)
		sift(c, i, last);
}

void cfw_due_set(struct cfw_core *c, enum cfw_due_what what, cfw_id id, uint64_t at_ns)
{
	uint32_t at = *position(c, what, id);
	if (at_ns == CFW_NEVER) {
		if (at)
			take_out(c, at - 1);
		return;
	}
	assert(at || c->heap_len < c->heap_cap);
	sift(c, at ? at - 1 : c->heap_len++, (struct cfw_due){at_ns, id, what});
}

bool cfw_due_pop(struct cfw_core *c, struct cfw_due *out)
{
	if (!c->heap_len || c->heap[0].at_ns > c->now_ns)
		return false;
	*out = c->heap[0];
	take_out(c, 0);
	return true;
}
