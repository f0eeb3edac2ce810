#include "sim/oracle.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "core/core.h"

enum { SLOT_MASK = 0xfffff, KEPT = 8 };

struct server {
	uint8_t state;           /* enum cfw_server_state, as the journal has it */
	bool owed;               /* it had reached started in this life, and is not down */
	uint32_t life;           /* starts so far */
	uint32_t running;        /* hooks of it */
	cfw_id last[CFW_PHASES]; /* the hook of that phase that was begun last in this life */
};

struct cfw_oracle {
	struct server *servers;
	size_t nservers;
	struct hook {
		cfw_id id;     /* whose place it is: after a reload (S7.2) another hook's */
		uint32_t life; /* of its server, or the stop, in which it was begun; 0: never */
	} * hooks;
	size_t nhooks;
	bool stopping, aborting, margin, killed;
	bool timeout, gaps;       /* gaps: entries were dropped */
	uint64_t seq;             /* of the last entry */
	uint64_t over_seq;        /* when a stop was over */
	uint32_t epoch;           /* since what was started last after a stop: global hooks are owed once in each */
	bool rested;              /* a stop is over, and nothing was started since */
	uint32_t raised, decided; /* triggers */
	uint64_t began_ns, deadline_ns, margin_ns; /* margin_ns: how long before the deadline */
	int least;                                 /* code that the end has at least */
	int most; /* that anything so far asks for: what hooks ask for by os.exit is not among it */
	const char *why;
	size_t broken;
	char text[KEPT][256];
};

struct cfw_oracle *cfw_oracle_new(void)
{
	return calloc(1, sizeof(struct cfw_oracle));
}

void cfw_oracle_free(struct cfw_oracle *o)
{
	if (!o)
		return;
	free(o->servers);
	free(o->hooks);
	free(o);
}

void cfw_oracle_reset(struct cfw_oracle *o)
{
	struct server *servers = o->servers;
	struct hook *hooks = o->hooks;
	size_t nservers = o->nservers, nhooks = o->nhooks;
	if (servers)
		memset(servers, 0, nservers * sizeof *servers);
	if (hooks)
		memset(hooks, 0, nhooks * sizeof *hooks);
	memset(o, 0, offsetof(struct cfw_oracle, text));
	o->servers = servers;
	o->hooks = hooks;
	o->nservers = nservers;
	o->nhooks = nhooks;
}

int cfw_oracle_most(const struct cfw_oracle *o)
{
	return o->most;
}

const char *cfw_oracle_broken(const struct cfw_oracle *o, size_t i)
{
	return i < o->broken && i < KEPT ? o->text[i] : NULL;
}

static void broke(struct cfw_oracle *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void broke(struct cfw_oracle *o, const char *fmt, ...)
{
	va_list ap;
	if (o->broken < KEPT) {
		va_start(ap, fmt);
		vsnprintf(o->text[o->broken], sizeof o->text[0], fmt, ap);
		va_end(ap);
	}
	o->broken++;
}

/* The place of id, zeroed where it is new; NULL when memory is gone. */
static void *place(void *arr, size_t *n, size_t size, cfw_id id)
{
	size_t slot = (id & SLOT_MASK) - 1;
	unsigned char **items = arr;
	if (!id)
		return NULL;
	if (slot >= *n) {
		size_t cap = (slot + 1) * 2;
		unsigned char *more = realloc(*items, cap * size);
		if (!more)
			return NULL;
		memset(more + *n * size, 0, (cap - *n) * size);
		*items = more;
		*n = cap;
	}
	return *items + slot * size;
}

static struct server *server_at(struct cfw_oracle *o, cfw_id id)
{
	return place(&o->servers, &o->nservers, sizeof *o->servers, id);
}

static struct hook *hook_at(struct cfw_oracle *o, cfw_id id)
{
	struct hook *h = place(&o->hooks, &o->nhooks, sizeof *o->hooks, id);
	if (h && h->id != id)
		*h = (struct hook){.id = id};
	return h;
}

/* Registered in the order of their places, as long as none of them had been another hook's. */
static bool is_earlier(cfw_id a, cfw_id b)
{
	return (a | b) <= SLOT_MASK && a < b;
}

static const char *name_of(const struct cfw_core *core, cfw_id id)
{
	struct cfw_server_view v;
	return cfw_core_server_view(core, id, &v) == 0 ? v.name : "?";
}

static void at_least(struct cfw_oracle *o, int code, const char *why)
{
	if (code > o->most)
		o->most = code;
	if (code <= o->least)
		return;
	o->least = code;
	o->why = why;
}

/* ---- S4.12: what is owed ---- */

static void check_owed(struct cfw_oracle *o, const struct cfw_core *core, cfw_id id, const struct server *s, const char *when)
{
	struct cfw_hook_view v;
	for (cfw_id h = 0; s->owed && !o->killed && (h = cfw_core_hook_next(core, h));) {
		if (cfw_core_hook_view(core, h, &v) || v.server != id || v.phase != CFW_PRE_STOP)
			continue;
		const struct hook *k = hook_at(o, h);
		if (k && k->life != s->life)
			broke(o, "S4.12: %s: %s, and its pre_stop hook%s%s (%s) was not called", name_of(core, id), when,
			      v.name ? " " : "", v.name ? v.name : "", v.where ? v.where : "?");
	}
}

/* ---- S4.1: the order ---- */

static void check_dependencies(struct cfw_oracle *o, const struct cfw_core *core, cfw_id id)
{
	cfw_id on;
	for (size_t i = 0; (on = cfw_core_server_on(core, id, i)); i++) {
		const struct server *s = server_at(o, on);
		if (s && s->state != CFW_S_STARTED)
			broke(o, "S3.1: %s begins to start, and %s, which it depends on, is %s", name_of(core, id),
			      name_of(core, on), cfw_server_state_name((enum cfw_server_state)s->state));
	}
}

static void check_dependants(struct cfw_oracle *o, const struct cfw_core *core, cfw_id id)
{
	cfw_id on;
	for (cfw_id d = 0; (d = cfw_core_server_next(core, d));)
		for (size_t i = 0; (on = cfw_core_server_on(core, d, i)); i++) {
			const struct server *s = on == id ? server_at(o, d) : NULL;
			if (s && s->state != CFW_S_DOWN && s->state != CFW_S_FAILED && s->state != CFW_S_WAITING)
				broke(o, "S4.1: %s begins to stop before %s, which depends on it, is done", name_of(core, id),
				      name_of(core, d));
		}
}

static void begin_epoch(struct cfw_oracle *o)
{
	o->epoch += o->rested;
	o->rested = false;
}

static void see_server(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	struct server *s = server_at(o, e->server);
	if (!s)
		return;
	bool begins = (e->a == CFW_S_PRE_START || e->a == CFW_S_STARTING) && e->b != CFW_S_PRE_START;
	bool stops = (e->a == CFW_S_PRE_STOP || e->a == CFW_S_STOPPING) && e->b != CFW_S_PRE_STOP;
	if (begins) {
		begin_epoch(o);
		check_dependencies(o, core, e->server);
		s = server_at(o, e->server); /* places may have moved for a server that was not seen yet */
		if (o->stopping && e->b == CFW_S_BACKOFF)
			broke(o, "S4.13: %s is started again during the stop", name_of(core, e->server));
		s->life++;
		s->owed = false;
		memset(s->last, 0, sizeof s->last);
	}
	if (stops && o->stopping && !o->aborting && !o->margin)
		check_dependants(o, core, e->server);
	s = server_at(o, e->server);
	if (e->a == CFW_S_POST_START || e->a == CFW_S_STARTED)
		s->owed = true;
	s->state = (uint8_t)e->a;
	struct cfw_server_opts opts;
	if (e->a == CFW_S_DOWN && e->b == CFW_S_STARTED && cfw_core_server_opts(core, e->server, &opts) == 0 &&
	    opts.expect_exit)
		s->owed = false; /* its work is done */
	if (e->a == CFW_S_DOWN) {
		check_owed(o, core, e->server, s, "it has stopped");
		s->owed = false;
	}
}

/* ---- hooks ---- */

static void see_hook(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	struct hook *h = hook_at(o, e->hook);
	struct server *s = server_at(o, e->server);
	struct cfw_hook_view v;
	if (!h || cfw_core_hook_view(core, e->hook, &v))
		return;
	uint32_t life = s ? s->life : o->epoch + 1;
	if (h->life == life)
		broke(o, "S4.12: the hook %s of %s (%s) was begun twice", v.name ? v.name : "",
		      s ? name_of(core, e->server) : "curfew", v.where ? v.where : "?");
	h->life = life;
	if (!s)
		return;
	bool orderly = o->stopping && !o->aborting && !o->margin && v.phase >= CFW_PRE_STOP;
	if (orderly && s->running)
		broke(o, "S4.1: two hooks of %s run at once", name_of(core, e->server));
	if (orderly && s->last[v.phase] && is_earlier(e->hook, s->last[v.phase]))
		broke(o, "S4.1: a hook of %s begins before one that was registered earlier", name_of(core, e->server));
	s->last[v.phase] = e->hook;
	s->running++;
}

static void see_hook_end(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	struct server *s = server_at(o, e->server);
	struct cfw_hook_view v;
	if (s && s->running)
		s->running--;
	if (o->stopping && e->a == CFW_FAILED && cfw_core_hook_view(core, e->hook, &v) == 0 && v.phase >= CFW_PRE_STOP)
		at_least(o, 1, "S4.9: a hook failed");
	if (o->stopping && e->a == CFW_CUT && cfw_core_hook_view(core, e->hook, &v) == 0 && v.phase >= CFW_PRE_STOP)
		at_least(o, 255, "S4.11: a hook was cut");
}

/* What was given up belongs to the stop: a start, or a hook of one, owes it nothing. */
static void see_skip(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	const struct server *s = server_at(o, e->server);
	struct cfw_hook_view v;
	if (!o->stopping || o->aborting || (!e->hook && s && s->state == CFW_S_STARTING))
		return;
	if (!e->hook || (cfw_core_hook_view(core, e->hook, &v) == 0 && v.phase >= CFW_PRE_STOP))
		at_least(o, 1, "S4.11: something was skipped");
}

/* ---- the stop ---- */

static void see_stop(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	if (e->b) { /* turned into an abort */
		at_least(o, e->code, "S4.3: it was asked for so far");
		o->aborting = true;
		if (e->ns != o->deadline_ns)
			broke(o, "S4.6: the abort has moved the end of the stop");
		return;
	}
	const struct cfw_core_config *conf = cfw_core_config_get(core);
	if (!o->killed && e->ns > cfw_time_add(e->at_ns, conf->exit_timeout_ns))
		broke(o, "S4.6: the stop would end later than exit_timeout from its beginning");
	o->stopping = true;
	o->aborting = e->a == CFW_ABORT;
	o->margin = false;
	o->began_ns = e->at_ns;
	o->deadline_ns = e->ns;
	o->margin_ns = cfw_time_min(conf->stop_margin_ns, conf->exit_timeout_ns / 4);
	o->least = o->most = 0;
	at_least(o, e->code, "S4.3: it was asked for first");
}

/* The stop was taken back: what had been called for it is owed anew (S4.12), the next has an end and a code of its own. */
static void see_cancel(struct cfw_oracle *o, const struct cfw_core *core)
{
	if (!o->stopping || o->aborting || o->margin)
		broke(o, "a stop was cancelled %s", o->stopping ? "that was graceful no more" : "while there was none");
	for (cfw_id id = 0; (id = cfw_core_server_next(core, id));) {
		struct server *s = server_at(o, id);
		if (!s || !s->owed)
			continue;
		if (s->running || (s->state >= CFW_S_HELD && s->state <= CFW_S_POST_STOP))
			broke(o, "the stop was cancelled, and %s is %s", name_of(core, id),
			      s->running ? "in a hook of it" : cfw_server_state_name((enum cfw_server_state)s->state));
		s->life++;
		memset(s->last, 0, sizeof s->last);
	}
	o->stopping = false;
	o->least = 0;
	o->epoch++;
}

static void see_extend(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	uint64_t most = cfw_time_add(o->began_ns, cfw_core_config_get(core)->max_exit_timeout_ns);
	if (!o->stopping || o->aborting || o->margin)
		broke(o, "S4.6: the end was moved %s",
		      o->margin     ? "past the margin"
		      : o->aborting ? "in an abort"
				    : "outside a stop");
	if (e->ns < o->deadline_ns || e->ns > cfw_time_max(most, o->deadline_ns))
		broke(o, "S4.6: the end was moved %s", e->ns < o->deadline_ns ? "back" : "past max_exit_timeout");
	o->deadline_ns = e->ns;
}

/* S4.11, S4.13: it died unasked. */
static void see_closed(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	struct cfw_server_opts opts;
	bool expected = !e->code && !e->signo && cfw_core_server_opts(core, e->server, &opts) == 0 && opts.expect_exit;
	if (o->stopping && !expected)
		at_least(o, 1, "S4.11: a server died during the stop");
}

/* S4.5, S4.12: the global ones as well, on every way to the end but a kill. */
static void check_global(struct cfw_oracle *o, const struct cfw_core *core)
{
	struct cfw_hook_view v;
	for (cfw_id h = 0; o->stopping && !o->killed && (h = cfw_core_hook_next(core, h));) {
		if (cfw_core_hook_view(core, h, &v) || v.server || v.phase != CFW_PRE_STOP)
			continue;
		const struct hook *k = hook_at(o, h);
		if (k && k->life != o->epoch + 1)
			broke(o, "S4.12: the process ends, and the global pre_stop hook%s%s (%s) was not called",
			      v.name ? " " : "", v.name ? v.name : "", v.where ? v.where : "?");
	}
}

static void see_exit(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	char late[32];
	o->stopping |= e->seq && o->over_seq + 1 == e->seq; /* it does not */
	for (cfw_id id = 0; (id = cfw_core_server_next(core, id));) {
		const struct server *s = server_at(o, id);
		if (s)
			check_owed(o, core, id, s, "the process ends");
	}
	check_global(o, core);
	if (o->raised != o->decided && !o->killed && !o->timeout && !o->gaps)
		broke(o, "S4.10: the process ends, and %u triggers were never decided on", o->raised - o->decided);
	if (o->stopping && e->at_ns > o->deadline_ns)
		broke(o, "S4.8: the end comes %s after the exit timeout",
		      cfw_format_duration(late, sizeof late, e->at_ns - o->deadline_ns));
	if (o->stopping && !o->aborting && !o->margin && !o->killed && cfw_time_add(e->at_ns, o->margin_ns) > o->deadline_ns)
		broke(o, "S4.7: the graceful part goes on past the margin");
	if (e->code < o->least)
		broke(o, "the code of the end is %d, it has to be at least %d (%s)", e->code, o->least, o->why);
}

static void see_life(struct cfw_oracle *o, const struct cfw_journal_entry *e)
{
	if (e->a == CFW_L_STARTING)
		begin_epoch(o);
	if ((e->a != CFW_L_STOPPED && e->a != CFW_L_ERRORED) || !o->stopping)
		return;
	o->stopping = false; /* the process may live on, S3.4 */
	o->rested = true;
	o->over_seq = e->seq;
}

static void see_decision(struct cfw_oracle *o, const struct cfw_journal_entry *e)
{
	o->killed |= e->a == CFW_D_KILL;
	o->decided++;
	if (e->a == CFW_D_KILL)
		at_least(o, e->code, "S4.14: a trigger asked for it");
	if (o->stopping && (e->a == CFW_D_GRACEFUL || e->a == CFW_D_ABORT))
		at_least(o, e->code, "S4.3: a trigger asked for it");
}

void cfw_oracle_see(struct cfw_oracle *o, const struct cfw_core *core, const struct cfw_journal_entry *e)
{
	o->gaps |= e->seq != o->seq + 1;
	o->seq = e->seq;
	switch (e->what) {
	case CFW_J_SERVER:
		see_server(o, core, e);
		break;
	case CFW_J_HOOK_BEGIN:
		see_hook(o, core, e);
		break;
	case CFW_J_HOOK_END:
		see_hook_end(o, core, e);
		break;
	case CFW_J_DECISION:
		see_decision(o, e);
		break;
	case CFW_J_STOP:
		see_stop(o, core, e);
		break;
	case CFW_J_EXTEND:
		see_extend(o, core, e);
		break;
	case CFW_J_CANCEL:
		if (e->a == 1)
			see_cancel(o, core);
		break;
	case CFW_J_SKIP:
		see_skip(o, core, e);
		break;
	case CFW_J_CLOSED:
		see_closed(o, core, e);
		break;
	case CFW_J_CUT: /* by its own limit, or as any abort does */
		if (o->stopping && !o->most)
			o->most = 1;
		break;
	case CFW_J_MARGIN:
		o->margin = true;
		if (!o->aborting) /* the stop is not over by then, though nothing but a hook may be left */
			o->most = 255;
		if (e->a && !o->aborting) /* an abort waits for hooks alone, past the margin too */
			at_least(o, 255, "S4.11: the margin cut something");
		break;
	case CFW_J_TRIGGER:
		o->raised++;
		break;
	case CFW_J_TIMEOUT:
		o->timeout = true;
		at_least(o, 255, "S4.8: the exit timeout has come");
		break;
	case CFW_J_LIFE:
		see_life(o, e);
		break;
	case CFW_J_EXIT:
		see_exit(o, core, e);
		break;
	default:
		break;
	}
}
