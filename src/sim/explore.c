#include "sim/explore.h"

#include <signal.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "instance.h"
#include "sim/impl.h"
#include "sim/model.h"

/* A rule may keep state: after so many schedules the policy is loaded afresh. */
enum { FRESH = 512 };

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

static uint64_t some_time(struct random *r)
{
	static const uint64_t ms[] = {0, 0, 0, 1, 20, 100, 500, 1000, 3000, 8000, 40000};
	return one_in(r, 16) ? CFW_NEVER : ms[below(r, sizeof ms / sizeof *ms)] * CFW_MS;
}

/* ---- one schedule, drawn ---- */

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

static void draw_schedule(const struct cfw_model *m, uint64_t seed, struct cfw_schedule *s)
{
	struct random r = {seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
	const struct curfew *c = m->sim->curfew;
	for (int i = 0; i < 4; i++)
		draw(&r);
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
}

/* ---- made smaller ---- */

static bool same_fault(const struct cfw_tried *a, const struct cfw_tried *b)
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
	if (same_fault(&got, k->want)) {
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

static void shrink_server(struct shrink *k, size_t i)
{
	struct cfw_schedule_server *s = &k->next->servers[i];
	if (s->dies_ns != CFW_NEVER) {
		s->dies_ns = CFW_NEVER;
		s->signo = s->code = 0;
		judge(k);
	}
	if (s->fails) {
		s->fails = false;
		judge(k);
	}
	if (s->dies_ns != CFW_NEVER)
		shrink_time(k, &s->dies_ns, 0);
	shrink_time(k, &s->start_ns, 0);
	shrink_time(k, &s->stop_ns, 0);
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
		shrink_time(k, &s->at[i].at_ns, i ? s->at[i - 1].at_ns : 0);
	}
	shrink_time(k, &s->until_ns, s->nat ? s->at[s->nat - 1].at_ns : 0);
}

static void shrink(struct shrink *k)
{
	enum { ROUNDS = 8 };
	for (int i = 0; i < ROUNDS; i++) {
		k->smaller = false;
		shrink_triggers(k);
		for (size_t s = 0; s < k->m->nservers; s++)
			shrink_server(k, s);
		for (size_t h = 0; h < k->m->nhooks; h++)
			shrink_hook(k, h);
		if (!k->smaller)
			return;
	}
}

/* ---- told ---- */

static const char *show(char text[32], uint64_t ns)
{
	return ns ? cfw_format_duration(text, 32, ns) : "0s";
}

static void put_server(struct cfw_buf *b, const struct cfw_model_server *m, const struct cfw_schedule_server *s)
{
	char t[32];
	if (!s->start_ns && !s->stop_ns && !s->fails && s->dies_ns == CFW_NEVER)
		return;
	cfw_buf_printf(b, "  server %s:", m->opts.name);
	if (s->start_ns == CFW_NEVER)
		cfw_buf_puts(b, " is never ready;");
	else if (s->start_ns || s->fails)
		cfw_buf_printf(b, " %s after %s;", s->fails ? "its start fails" : "is ready", show(t, s->start_ns));
	if (s->dies_ns != CFW_NEVER && s->signo)
		cfw_buf_printf(b, " dies at %s by %s;", show(t, s->dies_ns), cfw_signal_name(s->signo));
	else if (s->dies_ns != CFW_NEVER)
		cfw_buf_printf(b, " dies at %s with code %d;", show(t, s->dies_ns), s->code);
	if (s->stop_ns == CFW_NEVER)
		cfw_buf_puts(b, " never stops;");
	else if (s->stop_ns)
		cfw_buf_printf(b, " takes %s to stop;", show(t, s->stop_ns));
	b->data[b->len - 1] = '\n'; /* in place of the last semicolon */
}

static void put_hook(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_model_hook *h,
		     const struct cfw_schedule_hook *s)
{
	static const char *const phases[] = {"pre_start", "post_start", "pre_stop", "post_stop"};
	char t[32];
	if (!s->ns && !s->full && s->outcome == CFW_OK)
		return;
	cfw_buf_printf(b, "  hook %s%s%s (%s): ", h->server ? m->servers[h->server - 1].opts.name : "", h->server ? " " : "",
		       phases[h->opts.phase], h->opts.where ? h->opts.where : "?");
	if (s->full)
		cfw_buf_puts(b, "takes all its time");
	else if (s->ns == CFW_NEVER)
		cfw_buf_puts(b, "never ends");
	else
		cfw_buf_printf(b, "takes %s", show(t, s->ns));
	if (s->outcome == CFW_FAILED)
		cfw_buf_puts(b, ", then fails");
	else if (s->outcome == CFW_EXIT_CALL)
		cfw_buf_printf(b, ", then calls os.exit(%d)", s->code);
	cfw_buf_putc(b, '\n');
}

static void put_schedule(struct cfw_buf *b, const struct cfw_model *m, const struct cfw_schedule *s, const struct cfw_tried *t)
{
	char at[32];
	cfw_buf_printf(b, "%s\n", t->text);
	for (size_t i = 0; i < m->nservers; i++)
		put_server(b, &m->servers[i], &s->servers[i]);
	for (size_t i = 0; i < m->nhooks; i++)
		put_hook(b, m, &m->hooks[i], &s->hooks[i]);
	for (size_t i = 0; i < s->nat; i++) {
		const struct cfw_schedule_at *a = &s->at[i];
		cfw_buf_printf(b, "  %s: %s", show(at, a->at_ns), a->custom ? a->custom : cfw_trigger_name(a->kind, a->signo));
		if (a->kind == CFW_T_EXIT)
			cfw_buf_printf(b, "(%d)", a->code);
		cfw_buf_putc(b, '\n');
	}
	cfw_buf_printf(b, "  %s: SIGTERM, three times at most\n", show(at, s->until_ns));
	if (t->ended)
		cfw_buf_printf(b, "  ended at %s with code %d\n", show(at, t->ended_ns), t->code);
}

/* In a policy that has seen nothing else: what is said is true of it alone. */
static int tell(const char *path, uint64_t seed, struct cfw_buf *out, struct curfew_err *err)
{
	struct cfw_model *m = cfw_model_new(path, err);
	struct cfw_schedule first = {0}, next = {0};
	struct cfw_tried found, small;
	if (!m)
		return err->code;
	int rc = cfw_schedule_init(&first, m) || cfw_schedule_init(&next, m) ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory")
									     : 0;
	if (!rc) {
		draw_schedule(m, seed, &first);
		cfw_model_run(m, &first, &found);
		cfw_schedule_copy(&next, &first, m);
		struct shrink k = {.m = m, .best = &first, .next = &next, .want = &found};
		if (found.finding)
			shrink(&k);
		cfw_model_run(m, &first, &small);
		if (found.finding && same_fault(&small, &found))
			put_schedule(out, m, &first, &small);
		else if (found.finding)
			cfw_buf_printf(out, "%s\n  (a rule keeps state, so it cannot be made smaller)\n", found.text);
		else
			cfw_buf_puts(out, "only after the schedules before it: a rule keeps state from one to the next\n");
	}
	cfw_schedule_clear(&first);
	cfw_schedule_clear(&next);
	cfw_model_free(m);
	return rc;
}

int cfw_explore(const char *path, unsigned long n, uint64_t seed, struct cfw_explored *result, struct cfw_buf *out,
		struct curfew_err *err)
{
	struct cfw_model *m = NULL;
	struct cfw_schedule s = {0};
	struct cfw_tried tried = {0};
	int rc = 0;
	*result = (struct cfw_explored){0};
	while (!rc && result->tried < n && !result->broken) {
		if (!m || result->tried % FRESH == 0) {
			cfw_schedule_clear(&s);
			cfw_model_free(m);
			m = cfw_model_new(path, err);
			if (!m || cfw_schedule_init(&s, m)) {
				rc = m ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : err->code;
				break;
			}
		}
		result->seed = seed + result->tried++;
		draw_schedule(m, result->seed, &s);
		cfw_model_run(m, &s, &tried);
		result->broken = tried.finding != CFW_FINDING_NONE;
	}
	cfw_schedule_clear(&s);
	cfw_model_free(m);
	if (!rc && result->broken)
		rc = tell(path, result->seed, out, err);
	return rc;
}
