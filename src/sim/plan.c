#define _POSIX_C_SOURCE 200809L
#include "sim/plan.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "sim/sim.h"

enum { SLOT_MASK = 0xfffff };
#define FIRST CFW_SEC /* the first trigger: all has started by then */

/* ---- the triggers ---- */

/* "closed:db": the server ends by itself, with code 1. */
static int take_death(const struct cfw_model *m, const char *name, uint64_t at, struct cfw_schedule *s, struct curfew_err *err)
{
	for (size_t i = 0; i < m->nservers; i++)
		if (strcmp(m->servers[i].opts.name, name) == 0) {
			s->servers[i].dies_ns = at;
			s->servers[i].code = 1;
			return 0;
		}
	return cfw_err_set(err, CURFEW_ENOENT, "--on: there is no server \"%.60s\"", name);
}

/* Which of its words is a trigger of somebody else's making. */
static int refuse_kind(enum cfw_trigger_kind kind, const char *word, struct curfew_err *err)
{
	if (kind == CFW_T_CLOSED || kind == CFW_T_START_FAILED)
		return cfw_err_set(err, CURFEW_EINVAL, "--on: %s is of a server: write closed:NAME", word);
	if (kind == CFW_T_CRASH || kind == CFW_T_STALL)
		return cfw_err_set(err, CURFEW_EINVAL, "--on: %s is the guardian's, and not planned", word);
	if (cfw_trigger_steers(kind) && kind != CFW_T_CANCEL)
		return cfw_err_set(err, CURFEW_EINVAL, "--on: %s is an operator's answer to what they see, and not planned",
				   word);
	return 0;
}

static int take_name(struct cfw_schedule_at *a, char *word, struct curfew_err *err)
{
	char *open = strchr(word, '(');
	int signo;
	enum cfw_trigger_kind kind;
	if (open) { /* exit(3) */
		char *end;
		*open = 0;
		long code = strtol(open + 1, &end, 10);
		if (strcmp(word, "exit") != 0 || end == open + 1 || strcmp(end, ")") != 0 || code < 0 || code > 255)
			return cfw_err_set(err, CURFEW_EINVAL, "--on: expected exit(CODE), with a code from 0 to 255");
		a->code = (int)code;
	}
	if (cfw_trigger_parse(word, &kind, &signo)) {
		const char *near = cfw_nearest(word, cfw_trigger_names());
		return cfw_err_set(err, CURFEW_EINVAL, "--on: unknown trigger \"%.60s\"%s%s%s", word,
				   near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	if (kind == CFW_T_SIGNAL && (signo == SIGKILL || signo == SIGSTOP))
		return cfw_err_set(err, CURFEW_EINVAL, "--on: no process sees %s", word);
	a->kind = kind;
	a->signo = signo;
	return refuse_kind(kind, word, err);
}

/* One "TRIGGER" or "TRIGGER@TIME". */
static int take_one(const struct cfw_plan *p, char *word, struct cfw_schedule *s, struct curfew_err *err)
{
	uint64_t at = 0;
	char *when = strrchr(word, '@');
	if (when) {
		*when = 0;
		if (cfw_parse_duration(when + 1, &at, err)) {
			cfw_err_prefix(err, "--on: %.60s@: ", word);
			return err->code;
		}
	}
	at = cfw_time_add(FIRST, at);
	if (strncmp(word, "closed:", 7) == 0)
		return take_death(p->model, word + 7, at, s, err);
	if (s->nat == CFW_MODEL_AT)
		return cfw_err_set(err, CURFEW_ELIMIT, "--on: more than %d triggers", CFW_MODEL_AT);
	struct cfw_schedule_at *a = &s->at[s->nat];
	a->at_ns = at;
	if (strncmp(word, "custom:", 7) == 0 && word[7]) {
		a->kind = CFW_T_CUSTOM;
		a->custom = word;
	} else if (take_name(a, word, err)) {
		return err->code;
	}
	s->nat++;
	return 0;
}

/* words: a copy of on, which the schedule's names point into. */
static int take_on(const struct cfw_plan *p, char *words, struct cfw_schedule *s, struct curfew_err *err)
{
	int rc = 0;
	for (char *word = words, *next; word && !rc; word = next) {
		next = strchr(word, ',');
		if (next)
			*next++ = 0;
		rc = *word ? take_one(p, word, s, err) : cfw_err_set(err, CURFEW_EINVAL, "--on: a trigger is missing");
	}
	return rc;
}

/* ---- one case ---- */

static struct cfw_plan_time *time_at(struct cfw_plan_time *times, size_t n, cfw_id id)
{
	size_t slot = (id & SLOT_MASK) - 1;
	return slot < n ? &times[slot] : NULL;
}

static void see_server(const struct cfw_plan *p, struct cfw_plan_case *c, const struct cfw_journal_entry *e, uint64_t at)
{
	struct cfw_plan_time *t = time_at(c->servers, p->model->nservers, e->server);
	if (!t)
		return;
	bool begins = e->a == CFW_S_PRE_STOP || e->a == CFW_S_STOPPING || e->a == CFW_S_CUTTING;
	if (begins && t->begin_ns == CFW_NEVER)
		t->begin_ns = at;
	if (e->a == CFW_S_DOWN)
		t->end_ns = at;
}

static void see(const struct cfw_plan *p, struct cfw_plan_case *c, const struct cfw_journal_entry *e, uint64_t at)
{
	struct cfw_plan_time *t;
	switch (e->what) {
	case CFW_J_SERVER:
		see_server(p, c, e, at);
		break;
	case CFW_J_HOOK_BEGIN:
		if ((t = time_at(c->hooks, p->model->nhooks, e->hook)))
			t->begin_ns = at;
		break;
	case CFW_J_HOOK_END:
		if ((t = time_at(c->hooks, p->model->nhooks, e->hook))) {
			t->end_ns = at;
			t->cut = e->a == CFW_CUT;
			c->cut |= t->cut;
		}
		break;
	case CFW_J_CUT:
		if (!e->b && (t = time_at(c->servers, p->model->nservers, e->server)))
			c->cut = t->cut = true;
		break;
	case CFW_J_STOP:
		c->stops = true;
		c->aborted |= e->a == CFW_ABORT;
		c->deadline_ns = e->ns >= CFW_SIM_START ? e->ns - (e->at_ns - at) : CFW_NEVER;
		break;
	default:
		break;
	}
}

/* What goes on at the end is ended by it: a hook is cut off then. */
static void close_times(struct cfw_plan_case *c, struct cfw_plan_time *times, size_t n, bool hooks)
{
	for (size_t i = 0; i < n && c->end_ns != CFW_NEVER; i++) {
		if (times[i].begin_ns == CFW_NEVER || times[i].end_ns != CFW_NEVER)
			continue;
		times[i].end_ns = c->end_ns;
		times[i].cut |= hooks;
		c->cut |= hooks;
	}
}

/* The journal's clock to that of the stop. */
static void read_journal(const struct cfw_plan *p, struct cfw_plan_case *c, const struct cfw_tried *t)
{
	const struct cfw_journal_entry *e;
	uint64_t began = cfw_time_add(CFW_SIM_START, t->stop_ns);
	for (uint64_t seq = 1; t->stop_ns != CFW_NEVER && (e = cfw_core_journal(t->core, seq)); seq = e->seq + 1)
		if (e->at_ns >= began)
			see(p, c, e, e->at_ns - began);
	const struct cfw_core_config *conf = &p->model->config;
	c->margin_ns = cfw_time_left(cfw_time_min(conf->stop_margin_ns, conf->exit_timeout_ns / 4), c->deadline_ns);
	c->code = t->code;
	c->ended = t->ended;
	c->end_ns = t->ended && t->stop_ns != CFW_NEVER ? t->ended_ns - t->stop_ns : CFW_NEVER;
	close_times(c, c->servers, p->model->nservers, false);
	close_times(c, c->hooks, p->model->nhooks, true);
}

static int open_case(const struct cfw_plan *p, struct cfw_plan_case *c)
{
	static const struct cfw_plan_time never = {CFW_NEVER, CFW_NEVER, false};
	c->servers = calloc(p->model->nservers + 1, sizeof *c->servers);
	c->hooks = calloc(p->model->nhooks + 1, sizeof *c->hooks);
	if (!c->servers || !c->hooks)
		return CURFEW_ENOMEM;
	for (size_t i = 0; i < p->model->nservers; i++)
		c->servers[i] = never;
	for (size_t i = 0; i < p->model->nhooks; i++)
		c->hooks[i] = never;
	c->deadline_ns = CFW_NEVER;
	return 0;
}

/* Everything that belongs to the stop takes all the time it may. */
static void make_worst(const struct cfw_plan *p, struct cfw_schedule *s)
{
	for (size_t i = 0; i < p->model->nservers; i++)
		s->servers[i].stop_ns = p->model->servers[i].patience_ns;
	for (size_t i = 0; i < p->model->nhooks; i++) {
		const struct cfw_hook_opts *o = &p->model->hooks[i].opts;
		s->hooks[i].full = o->phase >= CFW_PRE_STOP && o->timeout_ns != CFW_NEVER;
		s->hooks[i].ns = o->phase >= CFW_PRE_STOP ? CFW_NEVER : 0;
	}
}

/* ---- the whole ---- */

static void put_decision(struct cfw_plan *p, const struct cfw_schedule *s, const struct cfw_journal_entry *e)
{
	struct cfw_plan_decision *d = &p->decisions[p->ndecisions];
	const char *name = cfw_trigger_name(e->trigger_kind, e->signo);
	if (p->ndecisions == sizeof p->decisions / sizeof *p->decisions)
		return;
	p->ndecisions++;
	*d = (struct cfw_plan_decision){.at_ns = e->at_ns - CFW_SIM_START - FIRST,
					.count = e->run,
					.what = (enum cfw_decision_what)e->a,
					.code = e->code,
					.refused = e->what == CFW_J_REFUSED};
	for (size_t i = 0; i < s->nat && e->trigger_kind == CFW_T_CUSTOM; i++)
		if (s->at[i].custom && s->at[i].at_ns <= d->at_ns + FIRST)
			name = s->at[i].custom;
	snprintf(d->trigger, sizeof d->trigger, "%.60s", name);
}

static void take_decisions(struct cfw_plan *p, const struct cfw_schedule *s, const struct cfw_tried *t)
{
	const struct cfw_journal_entry *e;
	for (uint64_t seq = 1; (e = cfw_core_journal(t->core, seq)); seq = e->seq + 1)
		if ((e->what == CFW_J_DECISION || e->what == CFW_J_REFUSED) && e->at_ns >= CFW_SIM_START + FIRST)
			put_decision(p, s, e);
}

/* A server is one wave after the last of those that depend on it. */
static int take_waves(struct cfw_plan *p)
{
	const struct cfw_model *m = p->model;
	p->wave = calloc(m->nservers + 1, sizeof *p->wave);
	if (!p->wave)
		return CURFEW_ENOMEM;
	for (size_t i = 0; i < m->nservers; i++)
		p->wave[i] = 1;
	for (bool moved = true; moved;) {
		moved = false;
		for (size_t i = 0; i < m->nservers; i++)
			for (size_t k = 0; k < m->servers[i].non; k++) {
				size_t on = m->servers[i].on[k];
				if (p->wave[on] <= p->wave[i]) {
					p->wave[on] = p->wave[i] + 1;
					moved = true;
				}
			}
	}
	for (size_t i = 0; i < m->nservers; i++)
		p->nwaves = p->wave[i] > p->nwaves ? p->wave[i] : p->nwaves;
	return 0;
}

static int run_both(struct cfw_plan *p, struct cfw_schedule *s, struct curfew_err *err)
{
	struct cfw_tried tried;
	cfw_model_run(p->model, s, &tried);
	if (tried.finding)
		return cfw_err_set(err, CURFEW_ELUA, "%s", tried.text);
	read_journal(p, &p->best, &tried);
	make_worst(p, s);
	cfw_model_run(p->model, s, &tried);
	if (tried.finding)
		return cfw_err_set(err, CURFEW_ELUA, "%s", tried.text);
	take_decisions(p, s, &tried); /* more triggers come before the end of this one */
	read_journal(p, &p->worst, &tried);
	p->core = tried.core;
	return 0;
}

/* words: a copy of what --on says. */
static int make(struct cfw_plan *p, const char *path, char *words, struct curfew_err *err)
{
	struct cfw_schedule s = {0};
	p->model = cfw_model_new(path, err);
	if (!p->model)
		return err->code ? err->code : CURFEW_EINVAL;
	int rc = 0;
	if (cfw_schedule_init(&s, p->model) || open_case(p, &p->best) || open_case(p, &p->worst) || take_waves(p))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc)
		rc = take_on(p, words, &s, err);
	if (!rc)
		rc = run_both(p, &s, err);
	cfw_schedule_clear(&s);
	return rc;
}

struct cfw_plan *cfw_plan_new(const char *path, const char *on, struct curfew_err *err)
{
	struct cfw_plan *p = calloc(1, sizeof *p);
	char *words = strdup(on);
	bool made = false;
	if (p && words && (p->path = strdup(path)))
		made = make(p, path, words, err) == 0;
	else
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	free(words);
	if (made)
		return p;
	cfw_plan_free(p);
	return NULL;
}

void cfw_plan_free(struct cfw_plan *p)
{
	if (!p)
		return;
	free(p->best.servers);
	free(p->best.hooks);
	free(p->worst.servers);
	free(p->worst.hooks);
	free(p->wave);
	free(p->path);
	cfw_model_free(p->model);
	free(p);
}

uint64_t cfw_plan_stop_limit(const struct cfw_plan *p, size_t server)
{
	const struct cfw_model_server *s = &p->model->servers[server];
	return cfw_time_min(s->patience_ns, s->opts.stop_timeout_ns);
}
