/* Starting all servers, and starting, stopping or restarting one with those that belong to it. */
#include "base/err.h"
#include "core/machine.h"

static bool closed_to_requests(const struct cfw_core *c)
{
	return c->stop.running || c->ended;
}

int cfw_start_all(struct cfw_core *c, const struct cfw_event *ev)
{
	cfw_id waiter;
	if (closed_to_requests(c))
		return CURFEW_ESTATE;
	int rc = cfw_waiter_new(c, ev->request, CFW_W_START, &waiter);
	if (rc)
		return rc;
	cfw_waiter_link(c, &c->start_waiters, waiter);
	if (!c->start.running) {
		c->start = (struct cfw_start_run){.running = true,
						  .deadline_ns = cfw_time_add(c->now_ns, c->config.start_timeout_ns)};
		if (c->life != CFW_L_STARTED)
			cfw_hooks_reset(c, NULL); /* a new life, S3.4 */
		cfw_life_event(c, CFW_LE_START);
	}
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;) {
		struct cfw_server *s = cfw_server_get(c, id);
		if (!s->questions && s->state != CFW_S_BACKOFF)
			cfw_server_event(c, s, CFW_SE_WANT, NULL);
	}
	return 0;
}

void cfw_start_failed_note(struct cfw_core *c, struct cfw_server *s)
{
	if (!c->start.running || c->start.failed)
		return;
	c->start.failed = true;
	c->start.culprit = s->id;
	c->start.text = s->fail_text;
}

static void answer(struct cfw_core *c, enum cfw_outcome outcome)
{
	c->start.running = false;
	cfw_waiters_reply(c, &c->start_waiters, outcome, c->start.culprit, c->start.text);
}

void cfw_start_check(struct cfw_core *c)
{
	if (!c->start.running || c->stop.running || c->starting || c->failures_open || c->unwinding)
		return;
	cfw_life_event(c, CFW_LE_READY);
	answer(c, c->start.failed ? CFW_FAILED : CFW_OK);
	if (!c->reload_waits)
		return;
	c->reload_waits = false; /* S7.4 */
	if (!c->reload_seq)
		c->reload_seq = ++c->wait_seq;
	cfw_waiters_reply(c, &c->reload_waiters, CFW_OK, 0, 0);
}

void cfw_start_interrupt(struct cfw_core *c)
{
	if (c->start.running)
		answer(c, c->start.failed ? CFW_FAILED : CFW_CUT);
	c->reload_waits = false;
	cfw_waiters_reply(c, &c->reload_waiters, CFW_FAILED, 0, 0);
}

void cfw_start_give_up_dependants(struct cfw_core *c, struct cfw_server *s)
{
	cfw_id id = cfw_graph_closure(c, s->id, CFW_WALK_WAITING_DEPENDANTS);
	while ((id = cfw_server_get(c, id)->mark_next) != 0) {
		struct cfw_server *d = cfw_server_get(c, id);
		d->fail_text = s->fail_text;
		cfw_start_failed_note(c, s);
		cfw_waiters_reply_want(c, d, CFW_W_UP, CFW_FAILED);
		cfw_server_event(c, d, CFW_SE_STOP, NULL);
	}
}

/* The server that a request is about, and who waits for it. */
static int open_request(struct cfw_core *c, const struct cfw_event *ev, enum cfw_want want, struct cfw_server **s,
			cfw_id *waiter)
{
	*s = cfw_server_get(c, ev->server);
	if (!*s || (*s)->staged || ((*s)->retired && want != CFW_W_DOWN))
		return CURFEW_ENOENT;
	if (closed_to_requests(c))
		return CURFEW_ESTATE;
	return cfw_waiter_new(c, ev->request, want, waiter);
}

/* It is to be up, and all that it depends on: no harm where that is so already. */
static void want_with_deps(struct cfw_core *c, struct cfw_server *s)
{
	for (cfw_id id = cfw_graph_closure(c, s->id, CFW_WALK_DEPS); id; id = cfw_server_get(c, id)->mark_next)
		if (!cfw_server_get(c, id)->questions)
			cfw_server_event(c, cfw_server_get(c, id), CFW_SE_WANT, NULL);
}

static void start_one(struct cfw_core *c, struct cfw_server *s, cfw_id waiter)
{
	cfw_waiter_link(c, &s->waiters, waiter);
	if (s->state == CFW_S_STARTED)
		cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_OK);
	else
		want_with_deps(c, s);
}

int cfw_start_one(struct cfw_core *c, const struct cfw_event *ev)
{
	struct cfw_server *s = cfw_server_get(c, ev->server);
	cfw_id waiter;
	if (s && s->questions)
		return CURFEW_ESTATE; /* what becomes of it is being decided */
	int rc = open_request(c, ev, CFW_W_UP, &s, &waiter);
	if (!rc)
		start_one(c, s, waiter);
	return rc;
}

static void stop_one(struct cfw_core *c, struct cfw_server *s, cfw_id waiter)
{
	cfw_waiter_link(c, &s->waiters, waiter);
	for (cfw_id id = cfw_graph_closure(c, s->id, CFW_WALK_DEPENDANTS); id; id = cfw_server_get(c, id)->mark_next)
		cfw_server_event(c, cfw_server_get(c, id), CFW_SE_STOP, NULL);
	if (s->state == CFW_S_DOWN)
		cfw_waiters_reply_want(c, s, CFW_W_DOWN, CFW_OK);
}

int cfw_stop_one(struct cfw_core *c, const struct cfw_event *ev)
{
	struct cfw_server *s;
	cfw_id waiter;
	int rc = open_request(c, ev, CFW_W_DOWN, &s, &waiter);
	if (!rc)
		stop_one(c, s, waiter);
	return rc;
}

/* Stop it and, unless it is down by itself, start it again afterwards. */
static void turn_round(struct cfw_core *c, struct cfw_server *s, bool wanted)
{
	bool again = wanted || (s->state != CFW_S_DOWN && s->state != CFW_S_CLOSED && s->state != CFW_S_FAILED);
	cfw_server_event(c, s, CFW_SE_STOP, NULL);
	if (!again)
		return;
	s->restarts++;
	if (s->stop_wanted)
		s->after = CFW_AFTER_START; /* it is starting: once that is over */
	else
		cfw_server_event(c, s, CFW_SE_WANT, NULL);
}

static void restart_one(struct cfw_core *c, struct cfw_server *s, cfw_id waiter)
{
	for (cfw_id id = cfw_graph_closure(c, s->id, CFW_WALK_DEPENDANTS); id; id = cfw_server_get(c, id)->mark_next)
		turn_round(c, cfw_server_get(c, id), id == s->id);
	want_with_deps(c, s);
	cfw_waiter_link(c, &s->waiters, waiter);
}

int cfw_restart_one(struct cfw_core *c, const struct cfw_event *ev)
{
	struct cfw_server *s;
	cfw_id waiter;
	int rc = open_request(c, ev, CFW_W_UP, &s, &waiter);
	if (!rc)
		restart_one(c, s, waiter);
	return rc;
}

enum cfw_refusal cfw_start_steered(struct cfw_core *c, const struct cfw_trigger *t, cfw_id waiter)
{
	struct cfw_server *s = cfw_server_get(c, t->server);
	if (!s || s->staged || (s->retired && t->kind != CFW_T_SERVER_STOP))
		return CFW_R_NO_SERVER;
	if (closed_to_requests(c))
		return CFW_R_STOPPING;
	if (t->kind == CFW_T_SERVER_START && s->questions)
		return CFW_R_UNDECIDED;
	cfw_waiter_want(c, waiter, t->kind == CFW_T_SERVER_STOP ? CFW_W_DOWN : CFW_W_UP);
	if (t->kind == CFW_T_SERVER_START)
		start_one(c, s, waiter);
	else if (t->kind == CFW_T_SERVER_STOP)
		stop_one(c, s, waiter);
	else
		restart_one(c, s, waiter);
	return CFW_R_NONE;
}
