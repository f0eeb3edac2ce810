/* The journal: one array. While nothing is kept it is all a ring. When a stop ends and the process does not (S3.4), its entries are
 * moved to the front and kept there; the rest of the array is the ring until the next stop begins. */
#include <string.h>

#include "base/err.h"
#include "core/machine.h"

enum {
	RING_MIN = 512,
	LAST_PLACES = 64, /* of a full stop: for what is about the stop as a whole */
};

static struct cfw_journal_entry *at(const struct cfw_ring *r, size_t i)
{
	return &r->e[r->base + (r->head + i) % (r->cap - r->base)];
}

int cfw_journal_init(struct cfw_core *c)
{
	struct cfw_ring *r = &c->journal;
	r->e = c->alloc.fn(c->alloc.ud, NULL, 0, RING_MIN * sizeof *r->e);
	if (!r->e)
		return CURFEW_ENOMEM;
	r->cap = RING_MIN;
	return 0;
}

int cfw_journal_reserve(struct cfw_core *c, size_t n)
{
	struct cfw_ring *r = &c->journal;
	size_t need = RING_MIN + r->base + r->room_for + n;
	if (need > r->cap) {
		size_t cap = need + need / 8;
		struct cfw_journal_entry *e = c->alloc.fn(c->alloc.ud, NULL, 0, cap * sizeof *e);
		if (!e)
			return CURFEW_ENOMEM;
		memcpy(e, r->e, r->base * sizeof *e);
		for (size_t i = 0; i < r->len; i++)
			e[r->base + i] = *at(r, i);
		cfw_free(&c->alloc, r->e, r->cap * sizeof *e);
		r->e = e;
		r->cap = cap;
		r->head = 0;
	}
	r->room_for += n;
	return 0;
}

/* Any number of them may come, from scripts and from outside: they have half of what is not reserved for what servers and hooks do. */
static bool of_any_number(const struct cfw_journal_entry *e)
{
	switch (e->what) {
	case CFW_J_TRIGGER:
	case CFW_J_DECISION:
	case CFW_J_REFUSED:
	case CFW_J_LATE:
	case CFW_J_EXTEND:
	case CFW_J_HURRY:
	case CFW_J_SKIP:
		return true;
	case CFW_J_CANCEL: /* asked for, and taken back by a trigger, in turns */
		return e->a != 1;
	default:
		return false;
	}
}

static bool of_one_thing(const struct cfw_journal_entry *e)
{
	switch (e->what) {
	case CFW_J_SERVER:
	case CFW_J_HOOK_BEGIN:
	case CFW_J_HOOK_END:
	case CFW_J_CUT:
		return true;
	default:
		return of_any_number(e);
	}
}

void cfw_journal_put(struct cfw_core *c, const struct cfw_journal_entry *entry)
{
	struct cfw_ring *r = &c->journal;
	size_t places = r->cap - r->base;
	uint64_t seq = ++r->seq;
	if (r->in_stop) {
		size_t mine = (size_t)(seq - r->stop_seq - r->dropped_in_stop);
		bool many = of_any_number(entry);
		if (mine >= places - (of_one_thing(entry) ? LAST_PLACES : 0) ||
		    (many && r->many_in_stop >= (places - r->room_for) / 2)) {
			r->dropped_in_stop++;
			return;
		}
		r->many_in_stop += many;
	}
	if (r->len == places) {
		r->head = (r->head + 1) % places;
		r->len--;
	}
	struct cfw_journal_entry *e = at(r, r->len++);
	*e = *entry;
	e->seq = seq;
	e->at_ns = c->now_ns;
}

static void reverse(struct cfw_journal_entry *e, size_t n)
{
	for (size_t i = 0; i < n / 2; i++) {
		struct cfw_journal_entry t = e[i];
		e[i] = e[n - 1 - i];
		e[n - 1 - i] = t;
	}
}

/* Turn the ring so that its oldest entry is its first place. */
static void straighten(struct cfw_ring *r)
{
	struct cfw_journal_entry *e = r->e + r->base;
	size_t places = r->cap - r->base;
	reverse(e, r->head);
	reverse(e + r->head, places - r->head);
	reverse(e, places);
	r->head = 0;
}

void cfw_journal_stop_begins(struct cfw_core *c)
{
	struct cfw_ring *r = &c->journal;
	if (r->base) {
		straighten(r);
		memmove(r->e, r->e + r->base, r->len * sizeof *r->e);
		r->base = 0;
	}
	r->in_stop = true;
	r->stop_seq = r->seq + 1;
	r->dropped_in_stop = r->many_in_stop = 0;
}

void cfw_journal_stop_ends(struct cfw_core *c)
{
	struct cfw_ring *r = &c->journal;
	while (r->len && at(r, 0)->seq < r->stop_seq) {
		r->head = (r->head + 1) % r->cap;
		r->len--;
	}
	straighten(r);
	r->base = r->len;
	r->len = 0;
	r->in_stop = false;
}

/* The first of n entries, of the kept part or the ring, with at least that seq; n when there is none. Where nothing was dropped
 * they are consecutive. */
static size_t search(const struct cfw_ring *r, bool kept, size_t n, uint64_t seq)
{
	size_t low = 0, high = n;
	uint64_t first = n ? (kept ? &r->e[0] : at(r, 0))->seq : seq;
	if (seq <= first)
		return 0;
	if (seq - first < n) {
		high = (size_t)(seq - first); /* or before */
		if ((kept ? &r->e[high] : at(r, high))->seq == seq)
			return high;
	}
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if ((kept ? &r->e[mid] : at(r, mid))->seq < seq)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

const struct cfw_journal_entry *cfw_core_journal(const struct cfw_core *core, uint64_t seq)
{
	const struct cfw_ring *r = &core->journal;
	if (seq > r->seq)
		return NULL;
	size_t i = search(r, true, r->base, seq);
	if (i < r->base)
		return &r->e[i];
	i = search(r, false, r->len, seq);
	return i < r->len ? at(r, i) : NULL;
}

int cfw_core_restore(struct cfw_core *core, const struct cfw_journal_entry *entries, size_t n, const struct cfw_trigger *first)
{
	struct cfw_ring *r = &core->journal;
	int rc = cfw_journal_reserve(core, n);
	if (rc)
		return rc;
	*r = (struct cfw_ring){.e = r->e, .cap = r->cap};
	core->stop = (struct cfw_stop_run){.first = *first};
	for (size_t i = 0; i < n; i++) {
		r->e[i] = entries[i];
		r->e[i].seq = i + 1;
		if (entries[i].what == CFW_J_STOP && !entries[i].b)
			r->stop_seq = i + 1;
		if (entries[i].what == CFW_J_EXIT)
			core->code = entries[i].code;
	}
	r->seq = r->len = n;
	core->ended = true;
	return 0;
}
