/* drive.c: one schedule, run through the core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <signal.h>

#include "base/alloc.h"
#include "base/err.h"
#include "instance.h"
#include "sim/impl.h"
#include "sim/model.h"

enum { SLOT_MASK = 0xfffff, PENDING = 512, STEPS = 20000, ASKED = 3 };
#define BEGIN (CFW_SIM_START)

struct arena {
	unsigned char *at;
	size_t used, size;
};

struct pending {
	uint64_t at_ns;
	struct cfw_event ev;
};

struct drive {
	struct cfw_model *m;
	const struct cfw_schedule *s;
	struct cfw_tried *out;
	struct cfw_core *core;
	struct arena arena;
	uint64_t now_ns;
	struct pending pending[PENDING];
	size_t npending;
	uint32_t attempt[64]; /* of the first servers: what their deaths answer to */
	uint64_t seen;        /* of the journal */
	bool exited;
};

/* Memory that is never given back but all at once. */
static void *take(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	struct arena *a = ud;
	size_t need = (new_size + 15) & ~(size_t)15;
	if (new_size == 0)
		return NULL;
	if (ptr && (unsigned char *)ptr + ((old_size + 15) & ~(size_t)15) == a->at + a->used &&
	    need <= a->size - (size_t)((unsigned char *)ptr - a->at)) { /* the last one grows in its place */
		a->used = (size_t)((unsigned char *)ptr - a->at) + need;
		return ptr;
	}
	if (need > a->size - a->used)
		return NULL;
	void *p = a->at + a->used;
	a->used += need;
	if (ptr)
		memcpy(p, ptr, old_size < new_size ? old_size : new_size);
	return p;
}

static void find(struct drive *d, enum cfw_finding what, const char *text)
{
	if (d->out->finding)
		return;
	d->out->finding = what;
	snprintf(d->out->text, sizeof d->out->text, "%s", text);
}

/* Kept in the order of their times; those of one time in the order in which they came. */
static void later(struct drive *d, uint64_t ns, const struct cfw_event *ev)
{
	if (ns == CFW_NEVER)
		return;
	if (d->npending == PENDING) {
		find(d, CFW_FINDING_MEMORY, "more is under way at once than a schedule has room for");
		return;
	}
	uint64_t at = cfw_time_add(d->now_ns, ns);
	size_t i = d->npending++;
	for (; i > 0 && d->pending[i - 1].at_ns > at; i--)
		d->pending[i] = d->pending[i - 1];
	d->pending[i] = (struct pending){at, *ev};
}

static size_t slot_of(cfw_id id)
{
	return (id & SLOT_MASK) - 1;
}

/* ---- the core's servants ---- */

static void ask(struct drive *d, const struct cfw_action *a)
{
	struct cfw_sim *sim = d->m->sim;
	struct cfw_trigger t = a->trigger;
	struct cfw_event e = {.type = CFW_EV_DECISION, .question = a->question};
	const char *custom = NULL;
	if (t.server && slot_of(t.server) < d->m->nservers)
		t.server = d->m->servers[slot_of(t.server)].id;
	if (t.kind == CFW_T_CUSTOM && t.custom && t.custom <= d->s->nat)
		custom = d->s->at[t.custom - 1].custom;
	e.decision = curfew_ask(sim->curfew, &t, custom);
	if (sim->complaints.len) {
		char *end = strchr(sim->complaints.data, '\n');
		if (end)
			*end = 0;
		if (strncmp(sim->complaints.data, "a rule gave", 11) == 0) /* not what the rule itself has to say */
			find(d, CFW_FINDING_RULE, sim->complaints.data);
		cfw_buf_reset(&sim->complaints);
	}
	later(d, 0, &e);
}

static void call(struct drive *d, const struct cfw_action *a)
{
	const struct cfw_schedule_hook *h = &d->s->hooks[slot_of(a->hook)];
	struct cfw_event e = {.type = CFW_EV_HOOK_DONE, .run = a->run, .outcome = h->outcome, .code = h->code};
	later(d, h->full ? d->m->hooks[slot_of(a->hook)].opts.timeout_ns : h->ns, &e);
}

static void act(struct drive *d, const struct cfw_action *a)
{
	size_t i = slot_of(a->server);
	struct cfw_event e = {.server = a->server, .attempt = a->attempt};
	switch (a->type) {
	case CFW_ACT_ASK:
		ask(d, a);
		break;
	case CFW_ACT_CALL:
		call(d, a);
		break;
	case CFW_ACT_START:
		if (i < sizeof d->attempt / sizeof *d->attempt)
			d->attempt[i] = a->attempt;
		e.type = d->s->servers[i].fails ? CFW_EV_SERVER_START_FAILED : CFW_EV_SERVER_STARTED;
		later(d, d->s->servers[i].start_ns, &e);
		break;
	case CFW_ACT_STOP:
		e.type = CFW_EV_SERVER_STOPPED;
		later(d, d->s->servers[i].stop_ns, &e);
		break;
	case CFW_ACT_CUT:
		e.type = CFW_EV_SERVER_STOPPED;
		later(d, 0, &e);
		break;
	case CFW_ACT_EXIT:
		d->exited = true;
		d->out->code = a->code;
		break;
	default:
		break;
	}
}

static void look(struct drive *d)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(d->core, d->seen + 1))) {
		d->seen = e->seq;
		if (e->what == CFW_J_STOP && d->out->stop_ns == CFW_NEVER)
			d->out->stop_ns = e->at_ns - BEGIN;
		cfw_oracle_see(d->m->oracle, d->core, e);
	}
	const char *broken = cfw_oracle_broken(d->m->oracle, 0);
	if (broken)
		find(d, CFW_FINDING_RULE_OF_CURFEW, broken);
}

static void feed(struct drive *d, const struct cfw_event *e)
{
	struct cfw_action a;
	cfw_core_feed(d->core, d->now_ns, e);
	while (!d->exited && cfw_core_next(d->core, &a))
		act(d, &a);
	look(d);
}

/* Until then; false when nothing will ever happen before it. */
static void run_until(struct drive *d, uint64_t until)
{
	static const struct cfw_event tick = {.type = CFW_EV_TICK};
	for (int steps = 0; !d->exited && steps < STEPS && d->out->finding != CFW_FINDING_MEMORY; steps++) {
		uint64_t due = cfw_core_deadline(d->core), at = d->npending ? d->pending[0].at_ns : CFW_NEVER;
		if (cfw_time_min(due, at) > until || cfw_time_min(due, at) == CFW_NEVER) {
			d->now_ns = until == CFW_NEVER ? d->now_ns : cfw_time_max(d->now_ns, until);
			return;
		}
		d->now_ns = cfw_time_max(d->now_ns, cfw_time_min(due, at));
		if (at <= due) {
			struct cfw_event e = d->pending[0].ev;
			memmove(d->pending, d->pending + 1, --d->npending * sizeof *d->pending);
			if (e.type == CFW_EV_SERVER_CLOSED && slot_of(e.server) < sizeof d->attempt / sizeof *d->attempt)
				e.attempt = d->attempt[slot_of(e.server)];
			feed(d, &e);
		} else {
			feed(d, &tick);
		}
	}
}

/* ---- the run ---- */

static bool build(struct drive *d)
{
	struct cfw_alloc alloc = {take, &d->arena};
	d->core = cfw_core_new(&alloc, &d->m->config);
	if (!d->core)
		return false;
	for (size_t i = 0; i < d->m->nservers; i++)
		if (!cfw_core_server_add(d->core, &d->m->servers[i].opts, NULL))
			return false;
	for (size_t i = 0; i < d->m->nservers; i++)
		for (size_t k = d->m->servers[i].non; k-- > 0;)
			if (cfw_core_server_after(d->core, (cfw_id)i + 1, (cfw_id)d->m->servers[i].on[k] + 1, NULL))
				return false;
	for (size_t i = 0; i < d->m->nhooks; i++) {
		struct cfw_hook_opts o = d->m->hooks[i].opts;
		o.server = (cfw_id)d->m->hooks[i].server;
		if (!cfw_core_hook_add(d->core, &o, NULL))
			return false;
	}
	return true;
}

static void plan_events(struct drive *d)
{
	for (size_t i = 0; i < d->m->nservers; i++) {
		const struct cfw_schedule_server *s = &d->s->servers[i];
		struct cfw_event e = {.type = CFW_EV_SERVER_CLOSED,
				      .server = (cfw_id)i + 1,
				      .code = s->signo ? -1 : s->code,
				      .signo = s->signo};
		later(d, s->dies_ns, &e);
	}
	for (size_t i = 0; i < d->s->nat; i++) {
		const struct cfw_schedule_at *a = &d->s->at[i];
		struct cfw_event e = {.type = CFW_EV_TRIGGER,
				      .trigger = {.kind = a->kind,
						  .signo = a->signo,
						  .code = a->code,
						  .custom = a->custom ? (uint32_t)i + 1 : 0}};
		later(d, a->at_ns, &e);
	}
}

/* Whatever it was, SIGTERM ends it; who wants to be asked again is. */
static void bring_to_end(struct drive *d)
{
	struct cfw_event e = {.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_SIGNAL, .signo = SIGTERM}};
	uint64_t most = cfw_time_add(cfw_time_max(d->m->config.max_exit_timeout_ns, d->m->config.exit_timeout_ns), CFW_SEC);
	for (int i = 0; i < ASKED && !d->exited; i++) {
		feed(d, &e);
		run_until(d, cfw_time_add(d->now_ns, most));
	}
	if (!d->exited)
		find(d, CFW_FINDING_ENDLESS, "it does not end: SIGTERM came three times, each with time enough to stop");
}

void cfw_model_run(struct cfw_model *m, const struct cfw_schedule *s, struct cfw_tried *out)
{
	static const struct cfw_event start = {.type = CFW_EV_START};
	struct drive d = {.m = m, .s = s, .out = out, .arena = {m->arena, 0, m->arena_size}, .now_ns = BEGIN};
	out->core = NULL;
	out->ended = false;
	out->code = 0;
	out->ended_ns = out->stop_ns = CFW_NEVER;
	out->finding = CFW_FINDING_NONE;
	out->text[0] = 0;
	cfw_oracle_reset(m->oracle);
	if (!build(&d)) {
		find(&d, CFW_FINDING_MEMORY, "it has too many servers and hooks to be tried");
		return;
	}
	out->core = d.core;
	plan_events(&d);
	feed(&d, &start);
	run_until(&d, cfw_time_add(BEGIN, s->until_ns));
	if (s->until_ns != CFW_NEVER)
		bring_to_end(&d);
	out->ended = d.exited;
	out->ended_ns = d.now_ns - BEGIN;
}
