/* draw.c: a schedule by chance: everything from its seed, so that the seed is all that has to be known of it. */
#include <signal.h>
#include <string.h>

#include "instance.h"
#include "sim/impl.h"
#include "sim/model.h"
#include "sim/schedule.h"

struct random {
	uint64_t state;
};

static uint64_t draw(struct random *r)
{
	r->state ^= r->state << 13;
	r->state ^= r->state >> 7;
	r->state ^= r->state << 17;
	return r->state;
}

static unsigned below(struct random *r, unsigned n)
{
	return (unsigned)(draw(r) >> 33) % n;
}

static bool one_in(struct random *r, unsigned n)
{
	return below(r, n) == 0;
}

static struct random seeded(uint64_t seed, uint64_t factor)
{
	struct random r = {seed * factor + 1};
	for (int i = 0; i < 4; i++)
		draw(&r);
	return r;
}

static uint64_t some_time(struct random *r)
{
	static const uint64_t ms[] = {0, 0, 0, 1, 20, 100, 500, 1000, 3000, 8000, 40000};
	return one_in(r, 16) ? CFW_NEVER : ms[below(r, sizeof ms / sizeof *ms)] * CFW_MS;
}

static void draw_server(struct random *r, const struct cfw_model_server *m, struct cfw_schedule_server *s)
{
	*s = (struct cfw_schedule_server){.dies_ns = CFW_NEVER};
	if (one_in(r, 2))
		s->start_ns = some_time(r);
	s->fails = one_in(r, 12);
	s->stop_ns = cfw_time_min(one_in(r, 2) ? some_time(r) : 0, m->patience_ns);
	if (one_in(r, 5)) {
		s->dies_ns = (uint64_t)below(r, 10000) * CFW_MS;
		s->signo = one_in(r, 2) ? (one_in(r, 2) ? SIGKILL : SIGSEGV) : 0;
		s->code = s->signo ? 0 : (int)below(r, 4);
	}
}

static void draw_hook(struct random *r, const struct cfw_model_hook *m, struct cfw_schedule_hook *h)
{
	*h = (struct cfw_schedule_hook){.outcome = CFW_OK};
	if (one_in(r, 2))
		h->ns = some_time(r);
	h->full = one_in(r, 16) && m->opts.timeout_ns != CFW_NEVER;
	if (one_in(r, 8)) {
		h->outcome = one_in(r, 2) ? CFW_FAILED : CFW_EXIT_CALL;
		h->code = h->outcome == CFW_EXIT_CALL ? (int)below(r, 4) : 0;
	}
}

static void draw_trigger(struct random *r, const struct curfew *c, struct cfw_schedule_at *a)
{
	static const int signals[] = {SIGTERM, SIGTERM, SIGINT, SIGINT, SIGQUIT, SIGHUP, SIGUSR1, SIGUSR2};
	static const enum cfw_trigger_kind kinds[] = {CFW_T_EXIT,  CFW_T_EXIT, CFW_T_ERROR,  CFW_T_REJECTION, CFW_T_STOP,
						      CFW_T_ABORT, CFW_T_IDLE, CFW_T_CANCEL, CFW_T_CANCEL};
	a->kind = CFW_T_SIGNAL;
	a->signo = signals[below(r, sizeof signals / sizeof *signals)];
	if ((a->signo == SIGUSR1 || a->signo == SIGUSR2) && !curfew_signal_has_rule(c, a->signo)) {
		a->kind = kinds[below(r, sizeof kinds / sizeof *kinds)];
		a->signo = 0;
		a->code = a->kind == CFW_T_EXIT ? (int)below(r, 3) : 0;
	}
}

/* ---- what else goes wrong ---- */

static uint64_t brief(struct random *r)
{
	uint64_t ns = some_time(r);
	return ns == CFW_NEVER ? 0 : ns;
}

/* One more, where there is room, in the order of their times. */
static void add_trigger(struct cfw_schedule *s, const struct cfw_schedule_at *a)
{
	size_t i = s->nat;
	if (i == CFW_MODEL_AT)
		return;
	for (; i > 0 && s->at[i - 1].at_ns > a->at_ns; i--)
		s->at[i] = s->at[i - 1];
	s->at[i] = *a;
	s->nat++;
}

static void draw_steering(struct random *r, const struct cfw_model *m, struct cfw_schedule *s)
{
	static const enum cfw_trigger_kind kinds[] = {CFW_T_HURRY,        CFW_T_EXTEND,        CFW_T_SKIP,
						      CFW_T_SERVER_START, CFW_T_SERVER_STOP,   CFW_T_SERVER_RESTART,
						      CFW_T_STOP,         CFW_T_SERVER_RESTART};
	struct cfw_schedule_at a = {.at_ns = (uint64_t)below(r, 9000) * CFW_MS,
				    .kind = kinds[below(r, sizeof kinds / sizeof *kinds)]};
	bool one = a.kind == CFW_T_SKIP || a.kind >= CFW_T_SERVER_START;
	if (one && m->nservers && (a.kind != CFW_T_STOP))
		a.server = 1 + below(r, (unsigned)m->nservers);
	if (one && !a.server && a.kind != CFW_T_SKIP)
		return;
	a.ns = a.kind == CFW_T_EXTEND ? (uint64_t)below(r, 20000) * CFW_MS : 0;
	a.no_exit = a.kind == CFW_T_STOP && !one_in(r, 3);
	add_trigger(s, &a);
}

static void draw_builds(struct random *r, const struct cfw_model *m, struct cfw_schedule *s)
{
	s->nbuilds = 1 + below(r, CFW_MODEL_BUILDS);
	for (size_t i = 0; i < s->nbuilds; i++) {
		s->builds[i] = (struct cfw_schedule_build){.takes_ns = brief(r),
							   .broken = one_in(r, 3),
							   .what = (enum cfw_model_change)below(r, CFW_M_CHANGES),
							   .server = below(r, (unsigned)m->nservers + 1)};
		add_trigger(s, &(struct cfw_schedule_at){.at_ns = (uint64_t)below(r, 9000) * CFW_MS, .kind = CFW_T_RELOAD});
	}
}

static void draw_answers(struct random *r, struct cfw_schedule *s)
{
	s->nanswers = 1 + below(r, CFW_MODEL_ANSWERS);
	for (size_t i = 0; i < s->nanswers; i++) {
		uint64_t ns = brief(r);
		s->answers[i] = (struct cfw_schedule_answer){.nth = 1 + below(r, 24), .ns = ns, .again = !ns || one_in(r, 2)};
	}
}

static void draw_faults(const struct cfw_model *m, uint64_t seed, struct cfw_schedule *s)
{
	struct random r = seeded(seed, UINT64_C(0xd1342543de82ef95));
	for (unsigned i = below(&r, 4); i > 1; i--)
		draw_steering(&r, m, s);
	if (one_in(&r, 2))
		draw_builds(&r, m, s);
	if (one_in(&r, 3))
		draw_answers(&r, s);
	if (one_in(&r, 4)) {
		s->memory_all = one_in(&r, 3);
		s->memory = 1 + below(&r, s->memory_all ? 16 : 64);
	}
	if (one_in(&r, 6)) {
		s->ask_starves = 1 + below(&r, 4);
		s->ask_memory = 1 + below(&r, 12);
	}
	for (size_t i = 0; i < m->nservers; i++) {
		s->servers[i].cut_ns = one_in(&r, 4) ? some_time(&r) : 0;
		s->servers[i].lives_ns = one_in(&r, 10) ? (one_in(&r, 2) ? 3 : 1) * CFW_SEC / 2 : 0;
	}
	for (size_t i = 0; i < m->nhooks; i++)
		s->hooks[i].extend_ns = one_in(&r, 10) ? (uint64_t)(1 + below(&r, 20000)) * CFW_MS : 0;
	for (size_t i = 0; i < s->nat; i++) {
		s->at[i].asks = one_in(&r, 3);
		s->at[i].times = one_in(&r, 12) ? 2 + below(&r, 16) : 0;
	}
}

/* ---- all of it ---- */

void cfw_schedule_draw(const struct cfw_model *m, uint64_t seed, bool faults, struct cfw_schedule *s)
{
	struct random r = seeded(seed, UINT64_C(0x9e3779b97f4a7c15));
	const struct curfew *c = m->sim->curfew;
	struct cfw_schedule fresh = {.servers = s->servers, .hooks = s->hooks};
	*s = fresh;
	for (size_t i = 0; i < m->nservers; i++)
		draw_server(&r, &m->servers[i], &s->servers[i]);
	for (size_t i = 0; i < m->nhooks; i++)
		draw_hook(&r, &m->hooks[i], &s->hooks[i]);
	uint64_t at = (uint64_t)below(&r, 8000) * CFW_MS;
	s->nat = below(&r, CFW_MODEL_AT / 2 + 1);
	for (size_t i = 0; i < s->nat; i++) {
		s->at[i] = (struct cfw_schedule_at){.at_ns = at};
		draw_trigger(&r, c, &s->at[i]);
		at += (uint64_t)below(&r, one_in(&r, 3) ? 5000 : 300) * CFW_MS;
	}
	s->until_ns = cfw_time_max(at, 10 * CFW_SEC);
	if (faults)
		draw_faults(m, seed, s);
}
