/* critical.c: what the end of a stop waited for, and that in turn, back to its beginning. What begins in the core begins in the very
 * moment in which what it waited for ends, so the chain is found by its times. Where nothing ended in that moment the time was the
 * core's own: it waited for the policy's answer, or for a limit. */
#include <stdlib.h>

#include "base/alloc.h"
#include "base/time.h"
#include "view/timeline.h"

/* Work, not its frame: hooks have rows of their own. */
static bool is_work(const struct timeline *t, const struct span *s)
{
	return s->what != SPAN_WAITS && (s->what != SPAN_HOOK || t->rows[s->row].hook) && s->from_ns < s->to_ns;
}

static int by_end(const void *pa, const void *pb)
{
	const struct span *a = pa, *b = pb;
	if (a->to_ns != b->to_ns)
		return a->to_ns > b->to_ns ? -1 : 1;
	if (a->from_ns != b->from_ns)
		return a->from_ns < b->from_ns ? -1 : 1;
	return a->row < b->row ? -1 : a->row > b->row;
}

static void add(struct timeline *t, size_t row, uint64_t from_ns, uint64_t to_ns)
{
	if (from_ns >= to_ns || t->failed)
		return;
	if (cfw_grow(&cfw_alloc_std, &t->path, &t->path_cap, t->npath + 1, sizeof *t->path) < 0) {
		t->failed = true;
		return;
	}
	t->path[t->npath++] = (struct step){.row = row, .from_ns = from_ns, .to_ns = to_ns};
	if (row == NO_ROW)
		t->own_ns += to_ns - from_ns;
	else
		t->rows[row].path_ns += to_ns - from_ns;
}

static void reverse(struct timeline *t)
{
	for (size_t i = 0; i < t->npath / 2; i++) {
		struct step l = t->path[i];
		t->path[i] = t->path[t->npath - 1 - i];
		t->path[t->npath - 1 - i] = l;
	}
}

/* From here on nothing but hooks is waited for (S4.2); CFW_NEVER: a graceful stop to the end. */
static uint64_t abort_of(const struct timeline *t)
{
	for (size_t i = 0; i < t->nmarks; i++)
		if (t->marks[i].what == MARK_ABORT)
			return t->marks[i].at_ns;
	return t->aborted ? t->began_ns : CFW_NEVER;
}

void cfw_timeline_path(struct timeline *t)
{
	uint64_t abort_ns = abort_of(t);
	size_t n = 0;
	struct span *work = t->nspans ? malloc(t->nspans * sizeof *work) : NULL;
	if (t->nspans && !work) {
		t->failed = true;
		return;
	}
	for (size_t i = 0; i < t->nspans; i++) {
		struct span s = t->spans[i];
		if (s.to_ns == CFW_NEVER || s.to_ns > t->ended_ns)
			s.to_ns = t->ended_ns;
		if (s.what == SPAN_STOPS && s.from_ns < abort_ns && s.to_ns > abort_ns)
			s.to_ns = abort_ns; /* a drain that goes on is not waited for */
		if (s.from_ns < t->began_ns)
			s.from_ns = t->began_ns;
		if (is_work(t, &s))
			work[n++] = s;
	}
	if (n)
		qsort(work, n, sizeof *work, by_end);
	uint64_t at = t->ended_ns;
	for (size_t i = 0; i < n && at > t->began_ns; i++) {
		if (work[i].to_ns > at)
			continue; /* it went on beside what is on the path */
		add(t, NO_ROW, work[i].to_ns, at);
		add(t, work[i].row, work[i].from_ns, work[i].to_ns);
		at = work[i].from_ns;
	}
	add(t, NO_ROW, t->began_ns, at);
	free(work);
	reverse(t);
}
