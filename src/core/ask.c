/* Questions to policy: asked, answered once, or settled by the default; and what a decision sets in motion. */
#include "base/err.h"
#include "core/machine.h"

static struct cfw_question *get(const struct cfw_core *c, cfw_id id)
{
	return cfw_slots_get(&c->questions, id);
}

static uint32_t count(struct cfw_core *c, const struct cfw_trigger *t)
{
	if (t->kind == CFW_T_SIGNAL)
		return ++c->signal_counts[(unsigned)t->signo < CFW_COUNTED_SIGNALS ? t->signo : 0];
	if (t->kind == CFW_T_CUSTOM)
		return ++c->custom_counts[t->custom < CFW_COUNTED_CUSTOM ? t->custom : 0];
	struct cfw_server *s = t->kind == CFW_T_CLOSED ? cfw_server_get(c, t->server) : NULL;
	return s ? ++s->closed_count : ++c->counts[t->kind];
}

static void note(struct cfw_core *c, enum cfw_journal_what what, const struct cfw_trigger *t, struct cfw_decision d,
		 bool by_default)
{
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = what,
						       .trigger_kind = t->kind,
						       .signo = t->signo,
						       .server = t->server,
						       .a = d.what,
						       .b = by_default,
						       .code = d.code,
						       .run = t->count,
						       .text = t->text,
						       .ns = t->request});
}

/* S7.4: refused during a stop, put off while starting; those that overlap become one. */
static void reload(struct cfw_core *c, const struct cfw_trigger *t, struct cfw_decision d, cfw_id waiter)
{
	if (c->stop.running) {
		note(c, CFW_J_REFUSED, t, d, false);
		cfw_waiters_reply(c, &waiter, CFW_FAILED, 0, 0);
		return;
	}
	if (c->life == CFW_L_STARTING) {
		c->reload_waits = true;
		cfw_waiter_link(c, &c->reload_waiters, waiter);
		return;
	}
	if (!c->reload_seq)
		c->reload_seq = ++c->wait_seq;
	cfw_waiters_reply(c, &waiter, CFW_OK, 0, 0);
}

/* restart or ignore, of a server that has closed or failed to start. Moot once a stop has begun or somebody moved it. */
static void settle_server(struct cfw_core *c, const struct cfw_trigger *t, bool restart)
{
	struct cfw_server *s = cfw_server_get(c, t->server);
	if (!s || c->stop.running)
		return;
	if (s->state != (t->kind == CFW_T_CLOSED ? CFW_S_CLOSED : CFW_S_FAILED))
		return;
	if (restart) {
		if (c->start.culprit == s->id) { /* it gets another chance within the same start */
			c->start.failed = false;
			c->start.culprit = 0;
			c->start.text = 0;
		}
		s->restarts++;
		cfw_server_event(c, s, CFW_SE_WANT, NULL);
		return;
	}
	cfw_start_failed_note(c, s);
	cfw_start_give_up_dependants(c, s);
	if (s->state == CFW_S_FAILED)
		cfw_server_unwind(c, s, CFW_AFTER_FAILED);
}

/* Until it is decided on, nobody else starts its server. */
static bool of_server(const struct cfw_trigger *t)
{
	return t->kind == CFW_T_CLOSED || t->kind == CFW_T_START_FAILED;
}

static void carry_out(struct cfw_core *c, const struct cfw_trigger *t, struct cfw_decision d, cfw_id waiter)
{
	switch (d.what) {
	case CFW_D_GRACEFUL:
		cfw_stop_decided(c, t, CFW_GRACEFUL, d.code, waiter);
		return;
	case CFW_D_ABORT:
		cfw_stop_decided(c, t, CFW_ABORT, d.code, waiter);
		return;
	case CFW_D_KILL:
		cfw_stop_kill(c, t, d.code);
		return;
	case CFW_D_RELOAD:
		reload(c, t, d, waiter);
		return;
	case CFW_D_ACCEPT:
		cfw_steer(c, t, waiter);
		return;
	case CFW_D_RESTART:
	case CFW_D_IGNORE:
	case CFW_D_NONE:
	case CFW_DECISIONS:
		if (cfw_trigger_steers(t->kind)) {
			cfw_waiters_refuse(c, &waiter, CFW_R_RULE, 0);
			return;
		}
		if (of_server(t))
			settle_server(c, t, d.what == CFW_D_RESTART);
		cfw_waiters_reply(c, &waiter, t->kind == CFW_T_STOP || t->kind == CFW_T_RELOAD ? CFW_FAILED : CFW_OK, 0, 0);
	}
}

/* S2.12: what its trigger does not allow is journaled, and the default decides. */
static void decide(struct cfw_core *c, const struct cfw_trigger *t, struct cfw_decision d, cfw_id waiter)
{
	bool by_default = d.what == CFW_D_NONE;
	if (!by_default && !cfw_decision_allowed(t->kind, d.what)) {
		note(c, CFW_J_REFUSED, t, d, false);
		by_default = true;
	}
	if (by_default)
		d = cfw_decision_default(t);
	d.code = cfw_code_clamp(d.code);
	note(c, CFW_J_DECISION, t, d, by_default);
	carry_out(c, t, d, waiter);
}

static void close_question(struct cfw_core *c, cfw_id id, struct cfw_decision d)
{
	struct cfw_question q = *get(c, id);
	struct cfw_server *s = of_server(&q.trigger) ? cfw_server_get(c, q.trigger.server) : NULL;
	cfw_due_set(c, CFW_DUE_QUESTION, id, CFW_NEVER);
	cfw_slots_del(&c->questions, id);
	if (q.trigger.kind == CFW_T_START_FAILED)
		c->failures_open--;
	if (s && s->questions)
		s->questions--;
	decide(c, &q.trigger, d, q.waiter);
}

/* The exit timeout runs from the trigger on: a policy that is dead may use up no more than a quarter of it. */
static uint64_t patience(const struct cfw_core *c)
{
	return cfw_time_min(c->config.ask_timeout_ns, c->config.exit_timeout_ns / 4);
}

int cfw_trigger_raise(struct cfw_core *c, const struct cfw_trigger *raised)
{
	struct cfw_trigger t = *raised;
	cfw_id waiter;
	int rc = cfw_waiter_new(c, t.request, CFW_W_TRIGGER, &waiter);
	if (rc)
		return rc;
	t.count = count(c, &t);
	t.number = ++c->triggers;
	if (t.at_ns == 0 || t.at_ns > c->now_ns)
		t.at_ns = c->now_ns;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_TRIGGER,
						       .trigger_kind = t.kind,
						       .signo = t.signo,
						       .server = t.server,
						       .a = t.count,
						       .code = t.code,
						       .text = t.text});
	void *item;
	cfw_id id = cfw_slots_new(&c->questions, &item);
	size_t limits = c->servers.used + c->hooks.used + c->questions.used;
	if (id && cfw_due_reserve(c, limits)) {
		cfw_slots_del(&c->questions, id);
		id = 0;
	}
	if (!id) { /* no memory to ask: the default, at once */
		decide(c, &t, (struct cfw_decision){CFW_D_NONE, 0}, waiter);
		return 0;
	}
	*(struct cfw_question *)item = (struct cfw_question){.trigger = t, .waiter = waiter};
	struct cfw_server *s = of_server(&t) ? cfw_server_get(c, t.server) : NULL;
	if (t.kind == CFW_T_START_FAILED)
		c->failures_open++;
	if (s)
		s->questions++;
	cfw_due_set(c, CFW_DUE_QUESTION, id, cfw_time_add(c->now_ns, patience(c)));
	cfw_queue_question(c, id);
	return 0;
}

void cfw_ask_answer(struct cfw_core *c, const struct cfw_event *ev)
{
	struct cfw_question *q = get(c, ev->question);
	if (!q || !q->asked)
		cfw_core_late(c, ev->type);
	else
		close_question(c, ev->question, ev->decision);
}

/* ask_timeout has passed. */
void cfw_ask_due(struct cfw_core *c, cfw_id id)
{
	if (get(c, id)->wait.queued) /* not even handed out yet: it is not asked any more */
		cfw_queue_forget_question(c, id);
	close_question(c, id, (struct cfw_decision){CFW_D_NONE, 0});
}
