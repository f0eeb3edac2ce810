/* drive.c: one schedule, run through the core. */
#include "sim/drive.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "instance.h"
#include "sim/impl.h"

enum { STEPS = 20000, ASKED = 3 };
#define BEGIN (CFW_SIM_START)

void cfw_drive_find(struct cfw_drive *d, enum cfw_finding what, const char *fmt, ...)
{
	va_list ap;
	if (d->out->finding)
		return;
	d->out->finding = what;
	va_start(ap, fmt);
	vsnprintf(d->out->text, sizeof d->out->text, fmt, ap);
	va_end(ap);
}

/* ---- what comes later ---- */

/* Kept in the order of their times; those of one time in the order in which they came. */
static void put(struct cfw_drive *d, uint64_t ns, const struct cfw_drive_pending *p)
{
	if (ns == CFW_NEVER)
		return;
	if (d->npending == CFW_DRIVE_PENDING) {
		cfw_drive_find(d, CFW_FINDING_MEMORY, "more is under way at once than a schedule has room for");
		return;
	}
	uint64_t at = cfw_time_add(d->now_ns, ns);
	size_t i = d->npending++;
	for (; i > 0 && d->pending[i - 1].at_ns > at; i--)
		d->pending[i] = d->pending[i - 1];
	d->pending[i] = *p;
	d->pending[i].at_ns = at;
}

static void later(struct cfw_drive *d, uint64_t ns, const struct cfw_event *ev)
{
	put(d, ns, &(struct cfw_drive_pending){.ev = *ev, .late_from_ns = CFW_NEVER});
}

/* An answer: it may be one of those that come late, or twice. */
static void answer(struct cfw_drive *d, uint64_t ns, uint64_t late_from_ns, const struct cfw_event *ev)
{
	struct cfw_drive_pending p = {.ev = *ev, .late_from_ns = late_from_ns};
	unsigned nth = ++d->answers;
	for (size_t i = 0; i < d->s->nanswers; i++) {
		const struct cfw_schedule_answer *a = &d->s->answers[i];
		if (a->nth != nth)
			continue;
		if (a->again)
			put(d, ns, &p);
		p.again = a->again;
		ns = cfw_time_add(ns, a->ns);
		break;
	}
	put(d, ns, &p);
}

/* It was called off: an answer to it is late from here on. */
static void call_off(struct cfw_drive *d, const struct cfw_event *ev)
{
	for (size_t i = 0; i < d->npending; i++) {
		struct cfw_drive_pending *p = &d->pending[i];
		bool hook = ev->type == CFW_EV_HOOK_DONE && p->ev.type == ev->type && p->ev.run == ev->run;
		bool start = ev->type == CFW_EV_SERVER_STARTED && p->ev.server == ev->server && p->ev.attempt == ev->attempt &&
			     (p->ev.type == CFW_EV_SERVER_STARTED || p->ev.type == CFW_EV_SERVER_START_FAILED);
		if (hook || start)
			p->late_from_ns = 0;
	}
}

/* ---- the core's servants ---- */

static void ask(struct cfw_drive *d, const struct cfw_action *a)
{
	struct cfw_sim *sim = d->m->sim;
	struct cfw_trigger t = a->trigger;
	struct cfw_event e = {.type = CFW_EV_DECISION, .question = a->question};
	const struct cfw_drive_server *s = cfw_drive_server(d, t.server);
	const char *custom = NULL;
	if (t.server)
		t.server = s ? d->m->servers[s->model].id : 0;
	if (t.kind == CFW_T_CUSTOM && t.custom && t.custom <= d->s->nat)
		custom = d->s->at[t.custom - 1].custom;
	bool starves = ++d->asks == d->s->ask_starves;
	if (starves)
		cfw_sim_starve(sim, d->s->ask_memory);
	e.decision = curfew_ask(sim->curfew, &t, custom);
	if (starves)
		cfw_sim_starve(sim, 0);
	if (sim->complaints.len) {
		char *end = strchr(sim->complaints.data, '\n');
		if (end)
			*end = 0;
		if (!starves && strncmp(sim->complaints.data, "a rule gave", 11) == 0) /* not what the rule itself has to say */
			cfw_drive_find(d, CFW_FINDING_RULE, "%s", sim->complaints.data);
		cfw_buf_reset(&sim->complaints);
	}
	answer(d, 0, cfw_time_add(d->now_ns, d->m->config.ask_timeout_ns), &e);
}

static void call(struct cfw_drive *d, const struct cfw_action *a)
{
	struct cfw_drive_hook *known = cfw_drive_hook(d, a->hook);
	if (!known) {
		cfw_drive_find(d, CFW_FINDING_HOST, "S7.2: a hook is called that no policy has any more");
		return;
	}
	const struct cfw_schedule_hook *h = &d->s->hooks[known->model];
	struct cfw_event e = {.type = CFW_EV_HOOK_DONE, .run = a->run, .outcome = h->outcome, .code = h->code};
	if (known->run == a->run)
		cfw_drive_find(d, CFW_FINDING_HOST, "S4.12: a hook is called twice");
	known->run = a->run;
	d->called += a->phase == CFW_PRE_STOP;
	answer(d, h->full ? d->m->hooks[known->model].opts.timeout_ns : h->ns, CFW_NEVER, &e);
	if (h->extend_ns)
		later(d, 0, &(struct cfw_event){.type = CFW_EV_EXTEND, .run = a->run, .ns = h->extend_ns});
}

static void steer_server(struct cfw_drive *d, struct cfw_drive_server *s, const struct cfw_action *a)
{
	struct cfw_event e = {.server = a->server, .attempt = a->attempt};
	const struct cfw_schedule_server *how = &d->s->servers[s->model];
	if (a->type == CFW_ACT_START) {
		s->attempt = a->attempt;
		s->alive = true;
		s->cut = false;
		e.type = how->fails ? CFW_EV_SERVER_START_FAILED : CFW_EV_SERVER_STARTED;
		answer(d, how->start_ns, CFW_NEVER, &e);
		if (how->lives_ns && how->start_ns != CFW_NEVER) {
			e = (struct cfw_event){
				.type = CFW_EV_SERVER_CLOSED, .server = a->server, .attempt = a->attempt, .code = 1};
			later(d, cfw_time_add(how->start_ns, how->lives_ns), &e);
		}
		return;
	}
	e.type = CFW_EV_SERVER_STARTED;
	call_off(d, &e);
	s->cut |= a->type == CFW_ACT_CUT;
	e.type = CFW_EV_SERVER_STOPPED;
	answer(d, a->type == CFW_ACT_CUT ? how->cut_ns : how->stop_ns, CFW_NEVER, &e);
}

static void reply(struct cfw_drive *d, const struct cfw_action *a)
{
	if (a->request == 0 || a->request > d->s->nat || !d->s->at[a->request - 1].asks)
		cfw_drive_find(d, CFW_FINDING_HOST, "somebody is answered who has asked for nothing");
	else if (d->replied >> a->request & 1)
		cfw_drive_find(d, CFW_FINDING_HOST, "who asked for %s is answered twice",
			       cfw_trigger_name(d->s->at[a->request - 1].kind, 0));
	else
		d->replied |= 1u << a->request;
}

static void act(struct cfw_drive *d, const struct cfw_action *a)
{
	struct cfw_drive_server *s;
	d->moves++;
	switch (a->type) {
	case CFW_ACT_ASK:
		ask(d, a);
		break;
	case CFW_ACT_CALL:
		call(d, a);
		break;
	case CFW_ACT_CUT_HOOK:
		call_off(d, &(struct cfw_event){.type = CFW_EV_HOOK_DONE, .run = a->run});
		break;
	case CFW_ACT_START:
	case CFW_ACT_STOP:
	case CFW_ACT_CUT:
		s = cfw_drive_server(d, a->server);
		if (s)
			steer_server(d, s, a);
		else
			cfw_drive_find(d, CFW_FINDING_HOST, "S7.2: a server that is gone is moved");
		break;
	case CFW_ACT_RELOAD:
		cfw_drive_reload(d);
		break;
	case CFW_ACT_REPLY:
		reply(d, a);
		break;
	case CFW_ACT_EXIT:
		d->exited = true;
		d->killed = a->kill;
		d->out->code = a->code;
		break;
	default:
		break;
	}
}

static void look(struct cfw_drive *d)
{
	const struct cfw_journal_entry *e;
	struct cfw_hook_view v;
	while ((e = cfw_core_journal(d->core, d->seen + 1))) {
		d->seen = e->seq;
		d->moves += e->what != CFW_J_LATE;
		if (e->what == CFW_J_STOP && d->out->stop_ns == CFW_NEVER)
			d->out->stop_ns = e->at_ns - BEGIN;
		if (e->what == CFW_J_HOOK_BEGIN && cfw_core_hook_view(d->core, e->hook, &v) == 0)
			d->begun += v.phase == CFW_PRE_STOP;
		cfw_oracle_see(d->m->oracle, d->core, e);
	}
	const char *broken = cfw_oracle_broken(d->m->oracle, 0);
	if (broken)
		cfw_drive_find(d, CFW_FINDING_RULE_OF_CURFEW, "%s", broken);
}

int cfw_drive_feed(struct cfw_drive *d, const struct cfw_event *e)
{
	struct cfw_action a;
	d->moves = 0;
	int rc = cfw_core_feed(d->core, d->now_ns, e);
	while (!d->exited && cfw_core_next(d->core, &a))
		act(d, &a);
	look(d);
	return rc;
}

/* ---- answers are given ---- */

/* An answer to nothing: counted, and nothing else comes of it. */
static void give_late(struct cfw_drive *d, const struct cfw_drive_pending *p)
{
	static const struct cfw_event tick = {.type = CFW_EV_TICK};
	cfw_drive_feed(d, &tick); /* what is due by now is not its doing */
	if (d->exited)
		return;
	uint64_t late = cfw_core_late_answers(d->core), digest = cfw_drive_digest(d->core);
	cfw_drive_feed(d, &p->ev);
	if (cfw_core_late_answers(d->core) != late + 1 || d->moves || cfw_drive_digest(d->core) != digest)
		cfw_drive_find(d, CFW_FINDING_HOST, "an answer (%s) that comes %s is taken for a new one",
			       p->ev.type == CFW_EV_DECISION    ? "of the policy"
			       : p->ev.type == CFW_EV_HOOK_DONE ? "of a hook"
								: "of a server",
			       p->again ? "twice" : "too late");
}

static void give(struct cfw_drive *d, struct cfw_drive_pending *p)
{
	struct cfw_drive_server *s = cfw_drive_server(d, p->ev.server);
	struct cfw_stop_view stop;
	bool of_server = p->ev.type >= CFW_EV_SERVER_STARTED && p->ev.type <= CFW_EV_SERVER_CLOSED;
	if (of_server && !s)
		p->late_from_ns = 0; /* it has left */
	if (p->again || d->now_ns > p->late_from_ns) {
		give_late(d, p);
		return;
	}
	if (p->ev.type == CFW_EV_SERVER_CLOSED && !p->ev.attempt)
		p->ev.attempt = s ? s->attempt : 0;
	if (s && p->ev.attempt == s->attempt && (p->ev.type == CFW_EV_SERVER_STOPPED || p->ev.type == CFW_EV_SERVER_CLOSED))
		s->alive = false;
	if (p->ev.type == CFW_EV_HOOK_DONE && p->ev.outcome == CFW_EXIT_CALL) {
		cfw_core_stop_view(d->core, &stop);
		if (stop.running && p->ev.code > d->most)
			d->most = p->ev.code;
	}
	int rc = cfw_drive_feed(d, &p->ev);
	if (rc == CURFEW_ENOMEM && (p->ev.type != CFW_EV_TRIGGER || !p->ev.trigger.request || !d->s->memory))
		cfw_drive_find(d, CFW_FINDING_HOST, "the core has no memory for an event of type %d", (int)p->ev.type);
}

/* Until then; false when nothing will ever happen before it. */
static void run_until(struct cfw_drive *d, uint64_t until)
{
	static const struct cfw_event tick = {.type = CFW_EV_TICK};
	for (int steps = 0; !d->exited && steps < STEPS && d->out->finding != CFW_FINDING_MEMORY; steps++) {
		uint64_t due = cfw_core_deadline(d->core), at = d->npending ? d->pending[0].at_ns : CFW_NEVER;
		uint64_t remade = cfw_drive_remade_at(d), next = cfw_time_min(cfw_time_min(due, at), remade);
		if (next > until || next == CFW_NEVER) {
			d->now_ns = until == CFW_NEVER ? d->now_ns : cfw_time_max(d->now_ns, until);
			return;
		}
		d->now_ns = cfw_time_max(d->now_ns, next);
		if (at <= due && at <= remade) {
			struct cfw_drive_pending p = d->pending[0];
			memmove(d->pending, d->pending + 1, --d->npending * sizeof *d->pending);
			give(d, &p);
		} else if (due <= remade) {
			cfw_drive_feed(d, &tick);
		}
		cfw_drive_remake(d);
		if (d->nretired && !d->exited)
			cfw_drive_sweep(d);
	}
}

/* ---- the run ---- */

static void plan_events(struct cfw_drive *d)
{
	for (size_t i = 0; i < d->m->nservers; i++) {
		const struct cfw_schedule_server *s = &d->s->servers[i];
		struct cfw_event e = {.type = CFW_EV_SERVER_CLOSED,
				      .server = d->now.of[i].id,
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
						  .server = a->server ? d->now.of[a->server - 1].id : 0,
						  .ns = a->ns,
						  .no_exit = a->no_exit,
						  .request = a->asks ? (uint32_t)i + 1 : 0,
						  .custom = a->custom ? (uint32_t)i + 1 : 0}};
		for (unsigned n = 0; n < (a->times ? a->times : 1); n++) {
			later(d, a->at_ns, &e);
			e.trigger.request = 0;
		}
	}
}

/* Whatever it was, SIGTERM ends it; who wants to be asked again is. */
static void bring_to_end(struct cfw_drive *d)
{
	struct cfw_event e = {.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_SIGNAL, .signo = SIGTERM}};
	uint64_t most = cfw_time_add(cfw_time_max(d->m->config.max_exit_timeout_ns, d->m->config.exit_timeout_ns), CFW_SEC);
	for (int i = 0; i < ASKED && !d->exited; i++) {
		cfw_drive_feed(d, &e);
		run_until(d, cfw_time_add(d->now_ns, most));
	}
	if (!d->exited)
		cfw_drive_find(d, CFW_FINDING_ENDLESS,
			       "it does not end: SIGTERM came three times, each with time enough to stop");
}

/* What the journal does not say of the end. */
static void check_end(struct cfw_drive *d)
{
	struct cfw_server_view v;
	int most = cfw_oracle_most(d->m->oracle);
	for (size_t i = 0; i < d->m->places_used; i++) {
		const struct cfw_drive_server *s = &d->m->places[i];
		if (s->id && s->alive && !s->cut && cfw_core_server_view(d->core, s->id, &v) == 0)
			cfw_drive_find(d, CFW_FINDING_HOST, "S4.11: the process ends, and %s runs on", v.name);
	}
	if (d->begun != d->called && !d->killed)
		cfw_drive_find(d, CFW_FINDING_HOST,
			       "S4.12: the process ends, and a pre_stop hook that was begun was never called");
	if (d->out->code > (most > d->most ? most : d->most))
		cfw_drive_find(d, CFW_FINDING_HOST, "S4.11: the code of the end is %d, and nothing asks for more than %d",
			       d->out->code, most > d->most ? most : d->most);
}

void cfw_model_run(struct cfw_model *m, const struct cfw_schedule *s, struct cfw_tried *out)
{
	static const struct cfw_event start = {.type = CFW_EV_START};
	struct cfw_drive d = {.m = m, .s = s, .out = out, .arena = {m->arena, 0, m->arena_size, 0, false}, .now_ns = BEGIN};
	out->core = NULL;
	out->ended = false;
	out->code = 0;
	out->ended_ns = out->stop_ns = CFW_NEVER;
	out->finding = CFW_FINDING_NONE;
	out->text[0] = 0;
	cfw_oracle_reset(m->oracle);
	if (!cfw_drive_make(&d)) {
		cfw_drive_find(&d, CFW_FINDING_MEMORY, "it has too many servers and hooks to be tried");
		return;
	}
	out->core = d.core;
	plan_events(&d);
	cfw_drive_feed(&d, &start);
	run_until(&d, cfw_time_add(BEGIN, s->until_ns));
	if (s->until_ns != CFW_NEVER)
		bring_to_end(&d);
	if (d.exited)
		check_end(&d);
	out->ended = d.exited;
	out->ended_ns = d.now_ns - BEGIN;
}
