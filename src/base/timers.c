#include "base/timers.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/time.h"

void cfw_timers_init(struct cfw_timers *ts)
{
	memset(ts, 0, sizeof *ts);
}

void cfw_timers_clear(struct cfw_timers *ts)
{
	for (size_t i = 0; i < ts->n; i++)
		ts->heap[i]->pos = 0;
	free(ts->heap);
	cfw_timers_init(ts);
}

static int before(const struct cfw_timer *a, const struct cfw_timer *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void put(struct cfw_timers *ts, size_t i, struct cfw_timer *t)
{
	ts->heap[i] = t;
	t->pos = i + 1;
}

static void sift_up(struct cfw_timers *ts, size_t i)
{
	struct cfw_timer *t = ts->heap[i];
	for (size_t up; i && before(t, ts->heap[up = (i - 1) / 2]); i = up)
		put(ts, i, ts->heap[up]);
	put(ts, i, t);
}

static void sift_down(struct cfw_timers *ts, size_t i)
{
	struct cfw_timer *t = ts->heap[i];
	for (;;) {
		size_t kid = 2 * i + 1;
		if (kid >= ts->n)
			break;
		if (kid + 1 < ts->n && before(ts->heap[kid + 1], ts->heap[kid]))
			kid++;
		if (!before(ts->heap[kid], t))
			break;
		put(ts, i, ts->heap[kid]);
		i = kid;
	}
	put(ts, i, t);
}

int cfw_timer_set(struct cfw_timers *ts, struct cfw_timer *t, uint64_t at_ns)
{
	if (at_ns == CFW_NEVER) {
		cfw_timer_cancel(ts, t);
		return 0;
	}
	if (!t->pos) {
		if (cfw_grow(&cfw_alloc_std, &ts->heap, &ts->cap, ts->n + 1, sizeof(struct cfw_timer *)))
			return CURFEW_ENOMEM;
		ts->heap[ts->n++] = t;
		t->pos = ts->n;
	}
	t->at_ns = at_ns;
	t->order = ts->orders++;
	size_t i = t->pos - 1;
	sift_up(ts, i);
	sift_down(ts, t->pos - 1);
	if (ts->on_earlier && !ts->running && ts->heap[0] == t)
		ts->on_earlier(ts->ud);
	return 0;
}

void cfw_timer_cancel(struct cfw_timers *ts, struct cfw_timer *t)
{
	if (!t->pos)
		return;
	size_t i = t->pos - 1;
	t->pos = 0;
	struct cfw_timer *last = ts->heap[--ts->n];
	if (last == t)
		return;
	put(ts, i, last);
	sift_up(ts, i);
	sift_down(ts, last->pos - 1);
}

uint64_t cfw_timers_deadline(const struct cfw_timers *ts)
{
	return ts->n ? ts->heap[0]->at_ns : CFW_NEVER;
}

size_t cfw_timers_run(struct cfw_timers *ts, uint64_t now_ns)
{
	uint64_t until = ts->orders; /* what is set from here on waits for the next run */
	size_t ran = 0;
	ts->running = true;
	while (ts->n && ts->heap[0]->at_ns <= now_ns && ts->heap[0]->order < until) {
		struct cfw_timer *t = ts->heap[0];
		cfw_timer_cancel(ts, t);
		ran++;
		t->fn(t, now_ns, t->ud);
	}
	ts->running = false;
	return ran;
}
