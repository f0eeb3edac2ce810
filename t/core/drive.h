/* drive.h: a scripted host with a virtual clock for tests of the core. Servers and hooks behave as told; every action and every
 * answer is a line of a trace, with its time. Invariants that hold in every run are checked as it goes (drive_faults). */
#ifndef T_CORE_DRIVE_H
#define T_CORE_DRIVE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "core/core.h"
#include "tap.h"

#define MS(n) ((uint64_t)(n)*CFW_MS)

#ifndef DRIVE_MOST
#define DRIVE_MOST 64 /* servers, and hooks */
#endif
enum { DRIVE_SERVERS = DRIVE_MOST, DRIVE_HOOKS = DRIVE_MOST, DRIVE_LINES = 20000 };

struct drive_server {
	cfw_id id;
	char name[32];
	uint64_t start_ns, stop_ns, cut_ns; /* how long it takes; CFW_NEVER: silent */
	bool fails;                         /* its start */
	bool alive, cut;                    /* asked to start and not gone; asked to be cut since */
	bool reached;                       /* was started, its pre_stop hooks owed since */
	uint32_t attempt;
};

struct drive_hook {
	cfw_id id;
	char label[64];
	int server; /* index, -1 global */
	enum cfw_phase phase;
	uint64_t take_ns; /* CFW_NEVER: never ends */
	enum cfw_outcome outcome;
	int code;
	unsigned calls; /* since the last start of its server */
};

struct drive_pending {
	uint64_t at_ns, order;
	struct cfw_event ev;
	char line[96];
};

struct drive {
	struct cfw_core *core;
	struct cfw_core_config config;
	uint64_t now_ns;
	struct drive_server server[DRIVE_SERVERS];
	struct drive_hook hook[DRIVE_HOOKS];
	int servers, hooks;
	struct drive_pending *pending;
	int n_pending, cap_pending;
	uint64_t orders;
	char (*line)[96];
	uint64_t *at_ns;
	int lines, cap_lines;
	uint64_t ask_ns; /* how long policy takes; CFW_NEVER: dead */
	struct cfw_decision (*policy)(struct drive *d, const struct cfw_trigger *t);
	void (*on_action)(struct drive *d, const struct cfw_action *a);
	void (*on_feed)(struct drive *d, int rc); /* after each, its actions included */
	void *ud;
	bool exited, killed, lame; /* lame: since the stop that runs */
	bool stopping, rested;     /* a stop runs; one is over, and no server was started since */
	uint64_t noted;            /* entries of the journal */
	uint64_t blocked_ns;       /* the loop was blocked until then: what was due before comes late */
	int exit_code, last_code;
	uint64_t exit_ns;
	int faults;
	uint64_t hash;                /* of all actions */
	struct drive_pending *record; /* all that was fed, where it is wanted: line is not used */
	size_t recorded, record_cap;
	unsigned long steps;
};

static inline void drive_fault(struct drive *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void drive_fault(struct drive *d, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	if (d->faults++ < 10) {
		fputs("# fault: ", stderr);
		vfprintf(stderr, fmt, ap);
		fputc('\n', stderr);
	}
	va_end(ap);
}

static inline void *drive_grow(void *p, size_t size)
{
	p = realloc(p, size);
	if (!p)
		tap_bail("out of memory");
	return p;
}

static inline void drive_say(struct drive *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void drive_say(struct drive *d, const char *fmt, ...)
{
	if (d->lines == DRIVE_LINES)
		return;
	if (d->lines == d->cap_lines) {
		d->cap_lines = d->cap_lines ? 2 * d->cap_lines : 128;
		d->line = drive_grow(d->line, (size_t)d->cap_lines * sizeof *d->line);
		d->at_ns = drive_grow(d->at_ns, (size_t)d->cap_lines * sizeof *d->at_ns);
	}
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(d->line[d->lines], sizeof d->line[0], fmt, ap);
	va_end(ap);
	d->at_ns[d->lines++] = d->now_ns;
}

static inline struct drive *drive_new(const struct cfw_alloc *alloc)
{
	struct drive *d = calloc(1, sizeof *d);
	if (!d)
		tap_bail("out of memory");
	cfw_core_config_default(&d->config);
	d->core = cfw_core_new(alloc ? alloc : &cfw_alloc_std, &d->config);
	if (!d->core) {
		free(d);
		return NULL;
	}
	d->now_ns = MS(1000);
	d->hash = 14695981039346656037u;
	return d;
}

static inline void drive_free(struct drive *d)
{
	if (!d)
		return;
	cfw_core_free(d->core);
	free(d->line);
	free(d->at_ns);
	free(d->pending);
	free(d);
}

static inline int drive_find(const struct drive *d, const char *name)
{
	for (int i = 0; name && i < d->servers; i++)
		if (strcmp(d->server[i].name, name) == 0)
			return i;
	return -1;
}

static inline int drive_index(const struct drive *d, cfw_id id)
{
	for (int i = 0; i < d->servers; i++)
		if (d->server[i].id == id)
			return i;
	return -1;
}

static inline struct cfw_server_opts drive_opts(const char *name)
{
	return (struct cfw_server_opts){
		.name = name, .kind = "test", .start_timeout_ns = CFW_NEVER, .stop_timeout_ns = CFW_NEVER};
}

static inline struct drive_server *drive_add_opts(struct drive *d, const struct cfw_server_opts *o)
{
	struct curfew_err err = {0};
	struct drive_server *s = &d->server[d->servers];
	*s = (struct drive_server){.id = cfw_core_server_add(d->core, o, &err)};
	if (!s->id)
		return NULL;
	snprintf(s->name, sizeof s->name, "%s", o->name);
	d->servers++;
	return s;
}

static inline struct drive_server *drive_add(struct drive *d, const char *name)
{
	struct cfw_server_opts o = drive_opts(name);
	return drive_add_opts(d, &o);
}

static inline int drive_after(struct drive *d, const char *a, const char *b)
{
	return cfw_core_server_after(d->core, d->server[drive_find(d, a)].id, d->server[drive_find(d, b)].id, NULL);
}

static const char *const drive_phases[] = {"pre_start", "post_start", "pre_stop", "post_stop"};

/* label NULL: "web.pre_stop"; server NULL: global, "global.pre_stop". */
static inline struct drive_hook *drive_hook(struct drive *d, const char *server, enum cfw_phase phase, const char *label,
					    uint64_t timeout_ns)
{
	struct drive_hook *h = &d->hook[d->hooks];
	*h = (struct drive_hook){.server = drive_find(d, server), .phase = phase};
	if (label)
		snprintf(h->label, sizeof h->label, "%s", label);
	else
		snprintf(h->label, sizeof h->label, "%s.%s", server ? server : "global", drive_phases[phase]);
	struct cfw_hook_opts o = {.server = server ? d->server[h->server].id : 0,
				  .phase = phase,
				  .name = h->label,
				  .where = "policy.lua:1",
				  .timeout_ns = timeout_ns,
				  .ref = d->hooks};
	h->id = cfw_core_hook_add(d->core, &o, NULL);
	if (!h->id)
		return NULL;
	d->hooks++;
	return h;
}

static inline void drive_at(struct drive *d, uint64_t at_ns, const struct cfw_event *ev, const char *line)
{
	if (at_ns == CFW_NEVER)
		return;
	if (d->n_pending == d->cap_pending) {
		d->cap_pending = d->cap_pending ? 2 * d->cap_pending : 64;
		d->pending = drive_grow(d->pending, (size_t)d->cap_pending * sizeof *d->pending);
	}
	struct drive_pending *p = &d->pending[d->n_pending++];
	*p = (struct drive_pending){.at_ns = at_ns, .order = ++d->orders, .ev = *ev};
	snprintf(p->line, sizeof p->line, "%s", line ? line : "");
}

static inline struct cfw_event drive_trigger(enum cfw_trigger_kind kind, int signo, int code)
{
	return (struct cfw_event){.type = CFW_EV_TRIGGER, .trigger = {.kind = kind, .signo = signo, .code = code}};
}

static inline void drive_hash(uint64_t *hash, const struct cfw_action *a)
{
	const uint64_t v[] = {(uint64_t)a->type << 32 | a->server,
			      (uint64_t)a->run << 32 | a->attempt,
			      (uint64_t)a->question << 32 | (uint32_t)a->code,
			      (uint64_t)a->hook << 32 | a->request,
			      a->deadline_ns,
			      (uint64_t)a->mode << 32 | (uint32_t)a->outcome};
	for (size_t i = 0; i < 8 * sizeof v / sizeof v[0]; i++)
		*hash = (*hash ^ (v[i / 8] >> 8 * (i % 8) & 255)) * 1099511628211u;
}

static inline struct drive_hook *drive_hook_of(struct drive *d, cfw_id id)
{
	for (int i = 0; i < d->hooks; i++)
		if (d->hook[i].id == id)
			return &d->hook[i];
	return NULL;
}

/* S4.12, at the end: what was started had each of its pre_stop hooks called once. */
static inline void drive_check_exit(struct drive *d, const struct cfw_action *a)
{
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	if (d->exited)
		drive_fault(d, "a second exit");
	if (a->code < d->last_code)
		drive_fault(d, "the exit code went down: %d, was %d", a->code, d->last_code);
	if (!a->kill && v.deadline_ns != CFW_NEVER && d->now_ns > cfw_time_max(v.deadline_ns, d->blocked_ns))
		drive_fault(d, "exit at %llu, after the deadline", (unsigned long long)d->now_ns);
	for (int i = 0; i < d->servers; i++)
		if (d->server[i].alive && !d->server[i].cut)
			drive_fault(d, "%s is left behind", d->server[i].name);
	for (int i = 0; !a->kill && i < d->hooks; i++) {
		struct drive_hook *h = &d->hook[i];
		if (h->phase == CFW_PRE_STOP && (h->server < 0 || d->server[h->server].reached) && h->calls != 1)
			drive_fault(d, "%s was called %u times before the exit", h->label, h->calls);
	}
}

/* A server is started: what it owed from an earlier life is owed still unless its hooks were called. */
static inline void drive_new_life(struct drive *d, int server)
{
	unsigned called = 0, of = 0;
	for (int k = 0; k < d->hooks; k++)
		if (d->hook[k].server == server && d->hook[k].phase == CFW_PRE_STOP) {
			called += d->hook[k].calls;
			of++;
		}
	if (d->server[server].reached && called && called != of)
		drive_fault(d, "%s starts again with %u of %u pre_stop hooks called", d->server[server].name, called, of);
	if (!called)
		return;
	d->server[server].reached = false;
	for (int k = 0; k < d->hooks; k++)
		if (d->hook[k].server == server)
			d->hook[k].calls = 0;
}

static inline void drive_server_action(struct drive *d, const struct cfw_action *a)
{
	int i = drive_index(d, a->server);
	struct drive_server *s = &d->server[i];
	struct cfw_event ev = {.server = a->server, .attempt = a->attempt};
	char line[96];
	if (a->type == CFW_ACT_START) {
		drive_say(d, "start %s", s->name);
		drive_new_life(d, i);
		s->attempt = a->attempt;
		s->alive = true;
		s->cut = false;
		ev.type = s->fails ? CFW_EV_SERVER_START_FAILED : CFW_EV_SERVER_STARTED;
		ev.text = s->fails ? 77 : 0;
		snprintf(line, sizeof line, "%s %s", s->fails ? "start_failed" : "started", s->name);
		drive_at(d, cfw_time_add(d->now_ns, s->start_ns), &ev, line);
	} else {
		drive_say(d, "%s %s", a->type == CFW_ACT_STOP ? "stop" : "cut", s->name);
		s->cut = s->cut || a->type == CFW_ACT_CUT;
		if (!s->alive)
			drive_fault(d, "%s is gone and is told to go", s->name);
		if (a->attempt != s->attempt)
			drive_fault(d, "%s: attempt %u, was %u", s->name, a->attempt, s->attempt);
		ev.type = CFW_EV_SERVER_STOPPED;
		snprintf(line, sizeof line, "stopped %s", s->name);
		drive_at(d, cfw_time_add(d->now_ns, a->type == CFW_ACT_STOP ? s->stop_ns : s->cut_ns), &ev, line);
	}
}

static inline void drive_call(struct drive *d, const struct cfw_action *a)
{
	struct drive_hook *h = drive_hook_of(d, a->hook);
	char line[96];
	h->calls++;
	drive_say(d, "call %s %s", h->label, a->mode == CFW_ABORT ? "abort" : "graceful");
	if (h->phase == CFW_PRE_STOP && h->calls > 1)
		drive_fault(d, "%s was begun twice", h->label);
	struct cfw_event ev = {.type = CFW_EV_HOOK_DONE, .run = a->run, .outcome = h->outcome, .code = h->code};
	snprintf(line, sizeof line, "done %s", h->label);
	drive_at(d, cfw_time_add(d->now_ns, h->take_ns), &ev, line);
}

static inline void drive_ask(struct drive *d, const struct cfw_action *a)
{
	drive_say(d, "ask %s %u", cfw_trigger_name(a->trigger.kind, a->trigger.signo), a->trigger.count);
	struct cfw_event ev = {.type = CFW_EV_DECISION, .question = a->question};
	if (d->policy)
		ev.decision = d->policy(d, &a->trigger);
	drive_at(d, cfw_time_add(d->now_ns, d->ask_ns), &ev, "");
}

/* A stop was taken back: its hooks are owed anew, the code that it had asked for is not any more. */
static inline void drive_unlame(struct drive *d)
{
	struct cfw_stop_view v;
	struct cfw_hook_view h;
	struct cfw_server_view s;
	cfw_core_stop_view(d->core, &v);
	drive_say(d, "unlame");
	if (!d->lame)
		drive_fault(d, "unlame without lame");
	d->lame = false;
	d->last_code = v.code;
	for (int i = 0; i < d->hooks; i++) {
		if (cfw_core_hook_view(d->core, d->hook[i].id, &h) == 0 && h.running && h.phase >= CFW_PRE_STOP)
			drive_fault(d, "%s runs, and the stop is over", d->hook[i].label);
		if (d->hook[i].server < 0 || d->server[d->hook[i].server].reached)
			d->hook[i].calls = 0;
	}
	for (int i = 0; i < d->servers; i++)
		if (cfw_core_server_view(d->core, d->server[i].id, &s) == 0 && s.state >= CFW_S_HELD &&
		    s.state <= CFW_S_POST_STOP)
			drive_fault(d, "%s is %s, and the stop is over", d->server[i].name, cfw_server_state_name(s.state));
}

static inline void drive_steered(struct drive *d, const struct cfw_action *a)
{
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	if (!v.running)
		drive_fault(d, "hooks are told of no stop");
	drive_say(d, a->hurry ? "hurry" : v.cancelling ? "tell hooks of the cancel" : "tell hooks that it goes on");
}

/* What a reply says beside its outcome: a server only where one is the cause, a text only with a failure of that. */
static inline void drive_check_reply(struct drive *d, const struct cfw_action *a)
{
	bool refused = a->why != CFW_R_NONE;
	if (a->outcome == CFW_OK && (a->server || a->text || refused))
		drive_fault(d, "a reply that all is well, for a reason");
	if (a->text && (a->outcome != CFW_FAILED || !a->server || refused))
		drive_fault(d, "a reply has a text that is not of a failure");
}

/* A report is taken, or is late: it is never refused. */
static inline bool drive_reports(const struct cfw_event *ev)
{
	return (ev->type >= CFW_EV_DECISION && ev->type <= CFW_EV_SERVER_CLOSED) || ev->type == CFW_EV_TICK ||
	       ev->type == CFW_EV_SWAP || ev->type == CFW_EV_CANCEL_START;
}

static inline void drive_action(struct drive *d, const struct cfw_action *a)
{
	struct drive_hook *h = NULL;
	drive_hash(&d->hash, a);
	if (d->exited)
		drive_fault(d, "an action after the exit");
	switch (a->type) {
	case CFW_ACT_ASK:
		drive_ask(d, a);
		break;
	case CFW_ACT_LAME:
		drive_say(d, "lame");
		d->lame = d->stopping = true; /* it may be over before this feed is */
		break;
	case CFW_ACT_UNLAME:
		drive_unlame(d);
		break;
	case CFW_ACT_STEERED:
		drive_steered(d, a);
		break;
	case CFW_ACT_CALL:
		drive_call(d, a);
		break;
	case CFW_ACT_CUT_HOOK:
		h = drive_hook_of(d, a->hook);
		drive_say(d, "cut_hook %s", h ? h->label : "?");
		break;
	case CFW_ACT_START:
	case CFW_ACT_STOP:
	case CFW_ACT_CUT:
		drive_server_action(d, a);
		break;
	case CFW_ACT_RELOAD:
		drive_say(d, "reload");
		break;
	case CFW_ACT_REPLY:
		drive_check_reply(d, a);
		drive_say(d, "reply %u %s", a->request,
			  a->outcome == CFW_OK       ? "ok"
			  : a->outcome == CFW_FAILED ? "failed"
						     : "cut");
		break;
	case CFW_ACT_EXIT:
		drive_check_exit(d, a);
		drive_say(d, "exit %d%s", a->code, a->kill ? " kill" : "");
		d->exited = true;
		d->killed = a->kill;
		d->exit_code = a->code;
		d->exit_ns = d->now_ns;
		break;
	case CFW_ACTIONS:
		drive_fault(d, "an action that is none");
	}
	if (d->on_action)
		d->on_action(d, a);
}

static inline void drive_drain(struct drive *d)
{
	struct cfw_action a;
	while (cfw_core_next(d->core, &a)) {
		d->steps++;
		drive_action(d, &a);
	}
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	d->lame = d->lame && v.running;
	if (v.code < d->last_code)
		drive_fault(d, "S4.3: the code went down");
	d->last_code = v.code;
}

/* S2.8: quiet means that no server is up or on its way, and no hook runs. */
static inline void drive_check_quiet(struct drive *d)
{
	struct cfw_server_view s;
	struct cfw_hook_view h;
	if (!cfw_core_quiet(d->core))
		return;
	for (int i = 0; i < d->servers; i++)
		if (!cfw_core_server_view(d->core, d->server[i].id, &s) && s.state != CFW_S_DOWN && s.state != CFW_S_CLOSED &&
		    s.state != CFW_S_FAILED)
			drive_fault(d, "quiet, with %s %s", s.name, cfw_server_state_name(s.state));
	for (int i = 0; i < d->hooks; i++)
		if (!cfw_core_hook_view(d->core, d->hook[i].id, &h) && h.running)
			drive_fault(d, "quiet, with %s running", d->hook[i].label);
}

/* A report that a server is gone which the core has to believe in that state. */
static inline bool drive_gone(const struct cfw_event *ev, enum cfw_server_state before)
{
	bool stopping = before == CFW_S_STOPPING || before == CFW_S_CUTTING;
	if (ev->type == CFW_EV_SERVER_STOPPED)
		return stopping;
	return ev->type == CFW_EV_SERVER_CLOSED &&
	       (stopping || before == CFW_S_STARTING || before == CFW_S_POST_START || before == CFW_S_STARTED ||
		before == CFW_S_HELD || before == CFW_S_PRE_STOP || before == CFW_S_FAILED);
}

/* What the host knows of its servers, to hold the core to S4.12. Asked of the core before it is fed. */
static inline void drive_note(struct drive *d, const struct cfw_event *ev, enum cfw_server_state before)
{
	int i = ev->server ? drive_index(d, ev->server) : -1;
	if (i < 0)
		return;
	struct drive_server *s = &d->server[i];
	struct cfw_server_view v;
	cfw_core_server_view(d->core, s->id, &v);
	if (drive_gone(ev, before) && (ev->attempt == s->attempt || (!ev->attempt && ev->type == CFW_EV_SERVER_CLOSED)))
		s->alive = false;
	if (ev->type == CFW_EV_SERVER_STARTED && before == CFW_S_STARTING && v.started)
		s->reached = true;
}

/* A server that is down owes nothing: its hooks have run, or were not due (expect_exit). */
static inline void drive_forget(struct drive *d)
{
	for (int i = 0; i < d->servers; i++) {
		struct cfw_server_view v;
		struct drive_server *s = &d->server[i];
		if (!s->reached || cfw_core_server_view(d->core, s->id, &v) || v.state != CFW_S_DOWN)
			continue;
		struct cfw_stop_view stop;
		cfw_core_stop_view(d->core, &stop);
		if (stop.running)
			continue;
		s->reached = false;
		for (int k = 0; k < d->hooks; k++)
			if (d->hook[k].server == i)
				d->hook[k].calls = 0;
	}
}

/* S3.4: what is started after a stop begins a new life: global hooks are owed anew. A start may be over before its feed is, so that the
 * journal is asked. */
static inline void drive_rest(struct drive *d)
{
	const struct cfw_journal_entry *e;
	bool begins = false;
	for (; (e = cfw_core_journal(d->core, d->noted + 1)) != NULL; d->noted = e->seq)
		begins |= e->what == CFW_J_SERVER && (e->a == CFW_S_PRE_START || e->a == CFW_S_STARTING);
	begins = begins && d->rested;
	for (int k = 0; begins && k < d->hooks; k++)
		if (d->hook[k].server < 0)
			d->hook[k].calls = 0;
	d->rested = d->rested && !begins;
}

static inline int drive_feed(struct drive *d, const struct cfw_event *ev)
{
	if (d->record && d->recorded < d->record_cap)
		d->record[d->recorded++] = (struct drive_pending){.at_ns = d->now_ns, .ev = *ev};
	struct cfw_server_view before = {.state = CFW_S_DOWN};
	if (ev->server)
		cfw_core_server_view(d->core, ev->server, &before);
	enum cfw_life life = cfw_core_life(d->core);
	int rc = cfw_core_feed(d->core, d->now_ns, ev);
	if (rc && drive_reports(ev))
		drive_fault(d, "a report of type %d is refused: %d", ev->type, rc);
	d->steps++;
	if (ev->type == CFW_EV_START && rc == 0 && life != CFW_L_STARTED && life != CFW_L_STARTING)
		for (int k = 0; k < d->hooks; k++)
			if (d->hook[k].server < 0)
				d->hook[k].calls = 0; /* S3.4: new marks */
	drive_note(d, ev, before.state);
	drive_rest(d);
	drive_drain(d);
	struct cfw_stop_view stop;
	cfw_core_stop_view(d->core, &stop);
	d->rested |= d->stopping && !stop.running;
	d->stopping = stop.running;
	drive_forget(d);
	drive_check_quiet(d);
	uint64_t due = cfw_core_deadline(d->core);
	if (due <= d->now_ns)
		drive_fault(d, "the core is due at once, again");
	if (d->on_feed)
		d->on_feed(d, rc);
	return rc;
}

/* Feed the earliest of what is pending, or a tick at the core's deadline; false when nothing is left until then. */
static inline bool drive_step(struct drive *d, uint64_t until_ns)
{
	int best = -1;
	for (int i = 0; i < d->n_pending; i++)
		if (best < 0 || d->pending[i].at_ns < d->pending[best].at_ns ||
		    (d->pending[i].at_ns == d->pending[best].at_ns && d->pending[i].order < d->pending[best].order))
			best = i;
	uint64_t due = cfw_core_deadline(d->core), at = best >= 0 ? d->pending[best].at_ns : CFW_NEVER;
	if (cfw_time_min(due, at) > until_ns || cfw_time_min(due, at) == CFW_NEVER)
		return false;
	if (at <= due) {
		struct drive_pending p = d->pending[best];
		d->pending[best] = d->pending[--d->n_pending];
		if (p.at_ns > d->now_ns)
			d->now_ns = p.at_ns;
		if (*p.line)
			drive_say(d, "%s", p.line);
		drive_feed(d, &p.ev);
	} else {
		d->now_ns = due;
		drive_feed(d, &(struct cfw_event){.type = CFW_EV_TICK});
	}
	return true;
}

/* Run until the exit, until_ns, or until nothing is left to happen. */
static inline void drive_run(struct drive *d, uint64_t until_ns)
{
	for (unsigned n = 0; !d->exited && drive_step(d, until_ns); n++)
		if (n > 100000) {
			drive_fault(d, "it never ends");
			return;
		}
	if (!d->exited && until_ns != CFW_NEVER && until_ns > d->now_ns)
		d->now_ns = until_ns;
}

static inline void drive_start(struct drive *d)
{
	drive_feed(d, &(struct cfw_event){.type = CFW_EV_START, .request = 1});
	drive_run(d, d->now_ns);
}

static inline int drive_fire(struct drive *d, enum cfw_trigger_kind kind, int signo, int code)
{
	struct cfw_event ev = drive_trigger(kind, signo, code);
	int rc = drive_feed(d, &ev);
	if (!d->exited && d->ask_ns == 0)
		drive_run(d, d->now_ns);
	return rc;
}

/* Where a line first stands in the trace; -1 nowhere. */
static inline int drive_line(const struct drive *d, const char *line)
{
	for (int i = 0; i < d->lines; i++)
		if (strcmp(d->line[i], line) == 0)
			return i;
	return -1;
}

static inline int drive_count(const struct drive *d, const char *line)
{
	int n = 0;
	for (int i = 0; i < d->lines; i++)
		n += strcmp(d->line[i], line) == 0;
	return n;
}

/* When it first happened, in ms since the clock's 1000; -1 never. */
static inline long drive_ms(const struct drive *d, const char *line)
{
	int i = drive_line(d, line);
	return i < 0 ? -1 : (long)(d->at_ns[i] / CFW_MS) - 1000;
}

/* All of these lines are there, in this order. NULL-terminated. */
static inline bool drive_order(const struct drive *d, ...)
{
	va_list ap;
	va_start(ap, d);
	int last = -1;
	bool good = true;
	for (const char *line; good && (line = va_arg(ap, const char *)) != NULL;) {
		int i = last + 1;
		while (i < d->lines && strcmp(d->line[i], line) != 0)
			i++;
		good = i < d->lines;
		if (!good)
			tap_diag("no \"%s\" where it should be", line);
		last = i;
	}
	va_end(ap);
	for (int i = 0; !good && i < d->lines; i++)
		tap_diag("%6ld %s", (long)(d->at_ns[i] / CFW_MS) - 1000, d->line[i]);
	return good;
}

static inline enum cfw_server_state drive_state(const struct drive *d, const char *name)
{
	struct cfw_server_view v = {.state = CFW_SERVER_STATES};
	cfw_core_server_view(d->core, d->server[drive_find(d, name)].id, &v);
	return v.state;
}

static inline void drive_close(struct drive *d, const char *name, int code, int signo)
{
	struct drive_server *s = &d->server[drive_find(d, name)];
	drive_say(d, "closed %s", s->name);
	drive_feed(d,
		   &(struct cfw_event){
			   .type = CFW_EV_SERVER_CLOSED, .server = s->id, .attempt = s->attempt, .code = code, .signo = signo});
	if (!d->exited && d->ask_ns == 0)
		drive_run(d, d->now_ns);
}

#endif
