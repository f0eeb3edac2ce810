/* Steering: a stop that runs is hurried, prolonged, eased of what it waits for, or taken back; one server is started or stopped. Policy
 * has accepted it; the state may still refuse. */
#include "core/machine.h"

static const char *const texts[CFW_REFUSALS] = {
	[CFW_R_NONE] = "nothing is in the way",
	[CFW_R_RULE] = "the policy refuses it",
	[CFW_R_NO_STOP] = "there is no stop",
	[CFW_R_STOPPING] = "curfew is stopping",
	[CFW_R_ABORT] = "an abort waits for nothing but its hooks",
	[CFW_R_MARGIN] = "the graceful part of the stop is over",
	[CFW_R_LIMIT] = "the stop ends at max_exit_timeout already",
	[CFW_R_BEGUN] = "something was stopped already",
	[CFW_R_START] = "the stop came before all was started",
	[CFW_R_NOTHING] = "nothing of it is waited for at this moment",
	[CFW_R_STOPPED_ON] = "something came in between, and the stop goes on",
	[CFW_R_CANCELED] = "the stop was cancelled",
	[CFW_R_NO_SERVER] = "the server is gone",
	[CFW_R_UNDECIDED] = "what becomes of the server is being decided",
};

const char *cfw_refusal_text(enum cfw_refusal why)
{
	return (unsigned)why < CFW_REFUSALS ? texts[why] : "?";
}

static void tell_hooks(struct cfw_core *c)
{
	if (!c->steered_seq)
		c->steered_seq = ++c->wait_seq;
}

static enum cfw_refusal hurry(struct cfw_core *c)
{
	if (!c->stop.running)
		return CFW_R_NO_STOP;
	if (c->stop.cancelling)
		return CFW_R_CANCELED;
	c->stop.hurried = true;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_HURRY});
	c->hurry_servers = true;
	tell_hooks(c);
	return CFW_R_NONE;
}

/* Its hook, else its start, else its drain. */
static enum cfw_refusal skip(struct cfw_core *c, cfw_id server)
{
	struct cfw_server *s = server ? cfw_server_get(c, server) : NULL;
	if (server && !s)
		return CFW_R_NO_SERVER;
	if (!c->stop.running)
		return CFW_R_NO_STOP;
	if (cfw_hooks_skip(c, s))
		return CFW_R_NONE;
	if (!s || c->stop.mode == CFW_ABORT || (s->state != CFW_S_STARTING && s->state != CFW_S_STOPPING))
		return CFW_R_NOTHING;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_SKIP, .server = server});
	cfw_server_event(c, s, CFW_SE_TIME, &(struct cfw_event){.type = CFW_EV_TRIGGER});
	return CFW_R_NONE;
}

/* Where it was when the stop began: a server that waited for its restart starts at once. */
static void back_to_service(struct cfw_core *c, struct cfw_server *s)
{
	if (s->state != CFW_S_HELD && s->state != CFW_S_PRE_STOP)
		return;
	bool again = s->held_from == CFW_S_BACKOFF;
	cfw_hooks_reset(c, s);
	s->released = false;
	cfw_server_set(c, s, s->held_from == CFW_S_STARTED ? CFW_S_STARTED : CFW_S_CLOSED);
	s->retry = again; /* its own restart policy goes on where it was */
	if (again)
		cfw_server_event(c, s, CFW_SE_WANT, NULL);
}

void cfw_stop_cancelled(struct cfw_core *c)
{
	struct cfw_stop_run *st = &c->stop;
	cfw_hooks_reset(c, NULL);
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;)
		back_to_service(c, cfw_server_get(c, id));
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_CANCEL, .a = 1});
	cfw_life_event(c, CFW_LE_CANCEL);
	c->code = st->code_before;
	st->stage = CFW_G_NONE;
	cfw_journal_stop_ends(c);
	st->running = st->cancelling = false;
	c->unlame_seq =
		++c->wait_seq; /* a stop that can be cancelled has called a hook: it is told after that, should it not be out yet */
	cfw_waiters_refuse(c, &c->stop_waiters, CFW_R_CANCELED, 0);
	cfw_waiters_reply(c, &c->cancel_waiters, CFW_OK, 0, 0);
}

/* Meanwhile hooks have ended, and no more: no server that is held has come to its turn. */
void cfw_stop_goes_on(struct cfw_core *c)
{
	struct cfw_stop_run *st = &c->stop;
	st->cancelling = false;
	tell_hooks(c);
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_CANCEL, .a = 2});
	cfw_waiters_refuse(c, &c->cancel_waiters, CFW_R_STOPPED_ON, 0);
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;) {
		struct cfw_server *s = cfw_server_get(c, id);
		if (s->state == CFW_S_PRE_STOP)
			cfw_hooks_resume(c, s);
	}
}

/* Are there servers that a restart, a stop or a failure had under way when the stop began? They cannot be put back. */
static bool all_as_before(const struct cfw_core *c)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;) {
		const struct cfw_server *s = cfw_server_get(c, id);
		bool waits = s->state == CFW_S_HELD || s->state == CFW_S_PRE_STOP;
		bool known = s->held_from == CFW_S_STARTED || s->held_from == CFW_S_CLOSED || s->held_from == CFW_S_BACKOFF;
		if (waits ? !known || s->retired || s->lone : !cfw_server_at_rest(s) && s->state != CFW_S_CLOSED)
			return false;
	}
	return true;
}

/* What was asked for after the cancel was is not what that meant: a policy may answer late, and not in order. */
static enum cfw_refusal cancel(const struct cfw_core *c, const struct cfw_trigger *t)
{
	const struct cfw_stop_run *st = &c->stop;
	if (!st->running || t->number < st->newest)
		return CFW_R_NO_STOP;
	if (st->mode == CFW_ABORT)
		return CFW_R_ABORT;
	if (st->margin_passed)
		return CFW_R_MARGIN;
	if (st->start_broken)
		return CFW_R_START;
	if (st->begun || st->cut || (st->stage != CFW_G_PRE && st->stage != CFW_G_SERVERS) || !all_as_before(c))
		return CFW_R_BEGUN;
	return CFW_R_NONE;
}

static enum cfw_refusal begin_cancel(struct cfw_core *c, const struct cfw_trigger *t, cfw_id waiter)
{
	enum cfw_refusal why = cancel(c, t);
	if (why)
		return why;
	if (t->at_once)
		cfw_waiters_reply(c, &waiter, CFW_OK, 0, 0);
	else
		cfw_waiter_link(c, &c->cancel_waiters, waiter);
	if (c->stop.cancelling)
		return CFW_R_NONE;
	c->stop.cancelling = true;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_CANCEL});
	tell_hooks(c);
	return CFW_R_NONE;
}

void cfw_steer(struct cfw_core *c, const struct cfw_trigger *t, cfw_id waiter)
{
	enum cfw_refusal why = CFW_R_NONE;
	bool answered = false;
	switch (t->kind) {
	case CFW_T_HURRY:
		why = hurry(c);
		break;
	case CFW_T_EXTEND:
		why = c->stop.cancelling ? CFW_R_CANCELED : cfw_stop_prolong(c, NULL, t->ns);
		break;
	case CFW_T_SKIP:
		why = skip(c, t->server);
		break;
	case CFW_T_CANCEL:
		why = begin_cancel(c, t, waiter);
		answered = !why;
		break;
	default:
		why = cfw_start_steered(c, t, waiter);
		answered = !why;
	}
	if (why) {
		cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_REFUSED,
							       .trigger_kind = t->kind,
							       .server = t->server,
							       .b = why,
							       .a = CFW_D_ACCEPT});
		cfw_waiters_refuse(c, &waiter, why, t->server);
	} else if (!answered) {
		cfw_waiters_reply(c, &waiter, CFW_OK, 0, 0);
	}
}
