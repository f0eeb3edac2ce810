/* schedules.h: random schedules for a scripted host: servers, hooks, policy and triggers, all of them made from one seed. */
#ifndef T_CORE_SCHEDULES_H
#define T_CORE_SCHEDULES_H

#include "drive.h"

static uint64_t state;

static uint64_t rnd(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static unsigned below(unsigned n)
{
	return (unsigned)(rnd() >> 33) % n;
}

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

static uint64_t some_time(void)
{
	static const uint64_t ms[] = {0, 0, 0, 1, 1, 3, 10, 50, 200, 1000, 4600, 9000};
	return one_in(10) ? CFW_NEVER : MS(ms[below(sizeof ms / sizeof ms[0])]);
}

#define GONE UINT32_MAX /* the id of a server or hook that was removed */

static unsigned edges[DRIVE_SERVERS]; /* bits: what the server is started after */

static void one_server(struct drive *d)
{
	int i = d->servers;
	char name[16];
	snprintf(name, sizeof name, "s%d", i);
	struct cfw_server_opts o = drive_opts(name);
	o.restart = one_in(3) ? CFW_RESTART_ALWAYS : one_in(2) ? CFW_RESTART_FAILURE : CFW_RESTART_NEVER;
	o.restart_max = below(3);
	o.backoff_ns = one_in(4) ? 0 : MS(20);
	o.expect_exit = one_in(4);
	if (one_in(4))
		o.start_timeout_ns = MS(below(100));
	if (one_in(4))
		o.stop_timeout_ns = MS(below(2000));
	struct drive_server *s = drive_add_opts(d, &o);
	s->start_ns = some_time();
	s->stop_ns = some_time();
	s->cut_ns = one_in(4) ? some_time() : MS(1);
	s->fails = one_in(8);
	edges[i] = 0;
	for (int k = 0; k < i; k++)
		if (one_in(3) && cfw_core_server_after(d->core, s->id, d->server[k].id, NULL) == 0)
			edges[i] |= 1u << k;
}

static void one_hook(struct drive *d)
{
	int s = (int)below((unsigned)d->servers + 1) - 1;
	if (s >= 0 && d->server[s].id == GONE)
		return;
	/* Elsewhere the test does not know for sure whether pre_stop hooks are owed. */
	if (s >= 0 && drive_state(d, d->server[s].name) != CFW_S_DOWN && drive_state(d, d->server[s].name) != CFW_S_STARTED)
		return;
	enum cfw_phase phase = (enum cfw_phase)(s < 0 || one_in(2) ? CFW_PRE_STOP + below(2) : below(4));
	char label[32];
	snprintf(label, sizeof label, "h%d", d->hooks);
	struct drive_hook *h =
		drive_hook(d, s < 0 ? NULL : d->server[s].name, phase, label, one_in(3) ? MS(below(3000)) : CFW_NEVER);
	if (!h)
		return;
	h->take_ns = some_time();
	h->outcome = one_in(6) ? (enum cfw_outcome)below(CFW_OUTCOMES) : CFW_OK;
	h->code = one_in(2) ? (int)below(256) : 0;
}

static void make(struct drive *d)
{
	for (unsigned i = 0, n = 1 + below(8); i < n; i++)
		one_server(d);
	for (unsigned i = 0, n = below(16); i < n; i++)
		one_hook(d);
}

static void remove_one(struct drive *d, int s)
{
	if (d->server[s].id == GONE || cfw_core_server_remove(d->core, d->server[s].id, NULL))
		return;
	d->server[s].id = GONE;
	d->server[s].reached = d->server[s].alive = false;
	edges[s] = 0;
	for (int i = 0; i < d->hooks; i++)
		if (d->hook[i].server == s) {
			d->hook[i].id = GONE;
			d->hook[i].phase = CFW_POST_STOP; /* nothing is owed */
		}
}

static void extend(struct drive *d)
{
	struct cfw_hook_view v;
	for (int i = 0; i < d->hooks; i++)
		if (!cfw_core_hook_view(d->core, d->hook[i].id, &v) && v.running) {
			drive_feed(d, &(struct cfw_event){.type = CFW_EV_EXTEND, .run = v.run, .ns = MS(below(10000))});
			return;
		}
}

static struct cfw_decision policy(struct drive *d, const struct cfw_trigger *t)
{
	(void)d;
	(void)t;
	if (!one_in(3))
		return (struct cfw_decision){CFW_D_NONE, 0};
	enum cfw_decision_what what = (enum cfw_decision_what)below(CFW_DECISIONS);
	if (what == CFW_D_KILL && !one_in(4))
		what = CFW_D_IGNORE;
	return (struct cfw_decision){what, (int)below(256)};
}

static void stray(struct drive *d, struct cfw_event *ev)
{
	ev->type = (enum cfw_event_type)below(CFW_EVENTS);
	ev->question = one_in(2) ? below(10) : (uint32_t)rnd();
	ev->run = one_in(2) ? below(10) : (uint32_t)rnd();
	ev->attempt = below(4);
	ev->server = one_in(8) ? (cfw_id)rnd() : d->server[below((unsigned)d->servers)].id;
	ev->decision = (struct cfw_decision){(enum cfw_decision_what)below(CFW_DECISIONS), (int)below(256)};
	ev->outcome = (enum cfw_outcome)below(CFW_OUTCOMES);
	ev->code = (int)below(300) - 10;
	ev->ns = MS(below(20000));
	if (one_in(2) && d->n_pending) /* an answer that comes now and will come again */
		*ev = d->pending[below((unsigned)d->n_pending)].ev;
}

/* A stop, and soon after it a cancel: left to chance alone, most of those would find no stop that can be taken back. */
static void change_mind(struct drive *d)
{
	struct cfw_event ev = drive_trigger(CFW_T_SIGNAL, 15, 0);
	if (cfw_core_life(d->core) == CFW_L_STARTING)
		drive_run(d, d->now_ns + MS(below(3000)));
	if (d->exited)
		return;
	drive_feed(d, &ev);
	drive_run(d, d->now_ns + MS(below(10)));
	ev = drive_trigger(CFW_T_CANCEL, 0, 0);
	ev.trigger.request = one_in(2) ? 1 + below(1000) : 0;
	ev.trigger.at_once = one_in(4);
	if (!d->exited)
		drive_feed(d, &ev);
}

static void happen(struct drive *d, bool registers)
{
	struct cfw_event ev = {0};
	const struct drive_server *s = &d->server[below((unsigned)d->servers)];
	struct cfw_stop_view v;
	cfw_core_stop_view(d->core, &v);
	ev.server = s->id;
	ev.request = one_in(2) ? below(1000) : 0;
	switch (below(registers ? 17 : 14)) {
	case 0:
		ev.type = CFW_EV_START;
		break;
	case 1:
	case 2:
		ev.type = CFW_EV_SERVER_CLOSED;
		ev.attempt = s->attempt;
		ev.code = one_in(2) ? 0 : (int)below(256);
		break;
	case 3:
		ev.type = CFW_EV_SERVER_START;
		break;
	case 4:
		ev.type = CFW_EV_SERVER_STOP;
		break;
	case 5:
		ev.type = CFW_EV_SERVER_RESTART;
		break;
	case 6:
		stray(d, &ev);
		break;
	case 12:
		extend(d);
		return;
	case 13:
		change_mind(d);
		return;
	case 14:
		remove_one(d, (int)below((unsigned)d->servers));
		return;
	case 15:
		if (d->servers < 30 && !v.running)
			one_server(d);
		return;
	case 16:
		if (d->hooks < 60)
			one_hook(d);
		return;
	case 7:
		ev.type = CFW_EV_TICK;
		d->now_ns += one_in(4) ? MS(below(6000)) : MS(below(20));
		d->blocked_ns = d->now_ns;
		break;
	default:
		ev = drive_trigger((enum cfw_trigger_kind)below(CFW_T_KINDS), one_in(3) ? 1 : 15, (int)below(256));
		ev.trigger.request = one_in(3) ? below(1000) : 0;
		ev.trigger.no_exit = ev.trigger.kind == CFW_T_STOP && !one_in(3);
		ev.trigger.ns = MS(below(9000));
		bool steers = cfw_trigger_steers(ev.trigger.kind);
		if (ev.trigger.kind == CFW_T_CLOSED || ev.trigger.kind == CFW_T_START_FAILED || (steers && !one_in(4)))
			ev.trigger.server = s->id;
	}
	drive_feed(d, &ev);
}

static struct drive *configured(void)
{
	struct drive *d = drive_new(NULL);
	d->config.exit_timeout_ns = one_in(3) ? MS(300) : MS(5000);
	d->config.start_timeout_ns = one_in(2) ? MS(2000) : MS(30000);
	d->config.max_exit_timeout_ns = MS(8000);
	cfw_core_configure(d->core, &d->config);
	make(d);
	return d;
}

static void seeded(uint64_t seed)
{
	state = seed * 0x9e3779b97f4a7c15u + 1;
	for (int i = 0; i < 8; i++)
		rnd();
}

#endif
