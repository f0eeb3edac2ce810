/* shrink.c: a schedule that breaks something, made smaller as long as it breaks the same. */
#include <string.h>

#include "sim/model.h"
#include "sim/schedule.h"

bool cfw_schedule_same_fault(const struct cfw_tried *a, const struct cfw_tried *b)
{
	return a->finding == b->finding && strncmp(a->text, b->text, 40) == 0;
}

struct shrink {
	struct cfw_model *m;
	struct cfw_schedule *best, *next;
	const struct cfw_tried *want;
	bool smaller; /* in this round */
};

/* Is next, which is smaller than best, as bad? Then it is the best; else next is best again. */
static void judge(struct shrink *k)
{
	struct cfw_tried got;
	cfw_model_run(k->m, k->next, &got);
	if (cfw_schedule_same_fault(&got, k->want)) {
		cfw_schedule_copy(k->best, k->next, k->m);
		k->smaller = true;
	} else {
		cfw_schedule_copy(k->next, k->best, k->m);
	}
}

/* A time that is rounder, then shorter. */
static void shrink_time(struct shrink *k, uint64_t *next, uint64_t least)
{
	uint64_t was = *next;
	if (was <= least)
		return;
	*next = least;
	judge(k);
	if (*next == least)
		return;
	for (int i = 0; i < 24 && *next != CFW_NEVER; i++) {
		uint64_t half = least + (*next - least) / 2;
		half -= half % (half >= CFW_SEC ? CFW_SEC / 2 : half >= 100 * CFW_MS ? 50 * CFW_MS : CFW_MS);
		if (half < least || half >= *next)
			return;
		uint64_t before = *next;
		*next = half;
		judge(k);
		if (*next == before)
			return;
	}
}

static void shrink_flag(struct shrink *k, bool *flag)
{
	if (!*flag)
		return;
	*flag = false;
	judge(k);
}

static void shrink_count(struct shrink *k, unsigned *n, unsigned least)
{
	for (int i = 0; i < 64 && *n > least; i++) {
		unsigned before = *n;
		*n = i == 0 ? least : *n - 1;
		judge(k);
		if (*n == before && i > 0)
			return;
	}
}

static void shrink_server(struct shrink *k, size_t i)
{
	struct cfw_schedule_server *s = &k->next->servers[i];
	if (s->dies_ns != CFW_NEVER) {
		s->dies_ns = CFW_NEVER;
		s->signo = s->code = 0;
		judge(k);
	}
	shrink_flag(k, &s->fails);
	if (s->lives_ns) {
		s->lives_ns = 0;
		judge(k);
	}
	if (s->dies_ns != CFW_NEVER)
		shrink_time(k, &s->dies_ns, 0);
	shrink_time(k, &s->start_ns, 0);
	shrink_time(k, &s->stop_ns, 0);
	shrink_time(k, &s->cut_ns, 0);
}

static void shrink_hook(struct shrink *k, size_t i)
{
	struct cfw_schedule_hook *h = &k->next->hooks[i];
	if (h->outcome != CFW_OK) {
		h->outcome = CFW_OK;
		h->code = 0;
		judge(k);
	}
	if (h->full) {
		h->full = false;
		h->ns = 0;
		judge(k);
	}
	if (!h->full)
		shrink_time(k, &h->ns, 0);
	shrink_time(k, &h->extend_ns, 0);
}

static void shrink_triggers(struct shrink *k)
{
	struct cfw_schedule *s = k->next;
	for (size_t i = s->nat; i-- > 0;) {
		memmove(&s->at[i], &s->at[i + 1], (s->nat - i - 1) * sizeof *s->at);
		s->nat--;
		judge(k);
	}
	for (size_t i = 0; i < s->nat; i++) {
		if (s->at[i].code) {
			s->at[i].code = 0;
			judge(k);
		}
		shrink_flag(k, &s->at[i].asks);
		shrink_flag(k, &s->at[i].no_exit);
		shrink_count(k, &s->at[i].times, 0);
		shrink_time(k, &s->at[i].ns, 0);
		shrink_time(k, &s->at[i].at_ns, i ? s->at[i - 1].at_ns : 0);
	}
	shrink_time(k, &s->until_ns, s->nat ? s->at[s->nat - 1].at_ns : 0);
}

static void shrink_faults(struct shrink *k)
{
	struct cfw_schedule *s = k->next;
	if (s->memory) {
		s->memory = 0;
		judge(k);
	}
	if (s->ask_starves) {
		s->ask_starves = s->ask_memory = 0;
		judge(k);
	}
	shrink_count(k, &s->memory, !!s->memory);
	shrink_count(k, &s->ask_memory, !!s->ask_memory);
	for (size_t i = s->nanswers; i-- > 0;) {
		memmove(&s->answers[i], &s->answers[i + 1], (s->nanswers - i - 1) * sizeof *s->answers);
		s->nanswers--;
		judge(k);
	}
	for (size_t i = 0; i < s->nanswers; i++)
		shrink_time(k, &s->answers[i].ns, 0);
	for (size_t i = s->nbuilds; i-- > 0;) {
		memmove(&s->builds[i], &s->builds[i + 1], (s->nbuilds - i - 1) * sizeof *s->builds);
		s->nbuilds--;
		judge(k);
	}
	for (size_t i = 0; i < s->nbuilds; i++) {
		if (s->builds[i].server) {
			s->builds[i].server = 0;
			judge(k);
		}
		shrink_flag(k, &s->builds[i].broken);
		shrink_time(k, &s->builds[i].takes_ns, 0);
	}
}

void cfw_schedule_shrink(struct cfw_model *m, struct cfw_schedule *best, struct cfw_schedule *spare,
			 const struct cfw_tried *want)
{
	enum { ROUNDS = 8 };
	struct shrink k = {.m = m, .best = best, .next = spare, .want = want};
	cfw_schedule_copy(spare, best, m);
	for (int i = 0; i < ROUNDS; i++) {
		k.smaller = false;
		shrink_triggers(&k);
		shrink_faults(&k);
		for (size_t s = 0; s < m->nservers; s++)
			shrink_server(&k, s);
		for (size_t h = 0; h < m->nhooks; h++)
			shrink_hook(&k, h);
		if (!k.smaller)
			return;
	}
}
