/* A server on its way down: held, hooks, drain, cut. Each function is what a cell of server.c's table does. */
#include "core/machine.h"

enum { OWN_CUT_WAITS = 10 }; /* a server cut by its own limit is given this many cut_wait to be gone; nobody is in a hurry */

/* Whatever else was meant to become of it: it stops, and stays so unless somebody says otherwise again. */
static void forget_plans(struct cfw_core *c, struct cfw_server *s)
{
	s->after = CFW_AFTER_DOWN;
	s->stop_wanted = s->retry = false;
	if (s->unwind) {
		s->unwind = false;
		c->unwinding--;
	}
}

void cfw_do_again(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	(void)c;
	(void)ev;
	if (!s->unwind)
		s->after = CFW_AFTER_START;
}

void cfw_do_override(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	(void)ev;
	forget_plans(c, s);
	cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_CUT);
}

/* Its start is under way: S3.3, it is stopped as soon as that is over. */
void cfw_do_stop_later(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	(void)ev;
	s->stop_wanted = true;
	s->after = CFW_AFTER_DOWN;
	cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_CUT);
}

void cfw_do_finish(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	bool again = s->after == CFW_AFTER_START && !c->stop.running;
	cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	if (s->owed)
		c->pre_owed -= s->pre_hooks - s->pre_ended;
	s->owed = s->alive = s->released = false;
	forget_plans(c, s);
	cfw_server_set(c, s, CFW_S_DOWN);
	cfw_waiters_reply_want(c, s, CFW_W_DOWN, s->was_cut ? CFW_CUT : CFW_OK);
	if (again)
		cfw_do_wait(c, s, ev);
	else
		cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_CUT);
}

/* It gets its turn to stop when all that depends on it is at rest (S4.1). */
void cfw_do_hold(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	bool failed = s->state == CFW_S_FAILED;
	bool again =
		s->stop_wanted && s->after == CFW_AFTER_START && !c->stop.running; /* a restart came while it was starting */
	cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	forget_plans(c, s);
	s->lone = !c->stop.running;
	if (again)
		s->after = CFW_AFTER_START;
	else
		cfw_waiters_reply_want(c, s, CFW_W_UP, failed ? CFW_FAILED : CFW_CUT);
	if (s->alive || s->owed)
		cfw_server_set(c, s, CFW_S_HELD);
	else if (!failed)
		cfw_do_finish(c, s, ev);
	else
		cfw_waiters_reply_want(c, s, CFW_W_DOWN, CFW_OK);
}

void cfw_do_give_up(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	cfw_do_hold(c, s, ev);
}

void cfw_server_drain(struct cfw_core *c, struct cfw_server *s)
{
	uint64_t own = cfw_time_add(c->now_ns, s->stop_timeout_ns);
	if (!c->stop.running && own == CFW_NEVER)
		own = cfw_time_add(c->now_ns, c->config.exit_timeout_ns); /* a silent server does not hang a lone stop */
	s->deadline_ns = c->stop.running ? cfw_time_min(own, c->stop.margin_ns) : own;
	cfw_server_set(c, s, CFW_S_STOPPING);
	cfw_due_set(c, CFW_DUE_SERVER, s->id, own);
	cfw_queue_server(c, s, CFW_P_STOP);
}

static void begin_post_stop(struct cfw_core *c, struct cfw_server *s)
{
	if (!s->owed || !cfw_hooks_left(c, s, CFW_POST_STOP)) {
		cfw_do_finish(c, s, NULL);
		return;
	}
	cfw_server_set(c, s, CFW_S_POST_STOP);
	cfw_hooks_next(c, s, CFW_POST_STOP);
}

void cfw_do_release(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (c->stop.running && (c->stop.stage != CFW_G_SERVERS || c->stop.cancelling))
		return; /* the global pre_stop hooks come first; the stage releases it */
	s->released = true;
	if (!s->owed || !cfw_hooks_left(c, s, CFW_PRE_STOP)) {
		cfw_do_pre_stopped(c, s, ev);
		return;
	}
	cfw_server_set(c, s, CFW_S_PRE_STOP);
	cfw_hooks_next(c, s, CFW_PRE_STOP);
}

void cfw_do_pre_stopped(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (cfw_stop_is_short(c)) {
		if (!s->alive)
			cfw_do_finish(c, s, ev);
		return; /* alive: it is cut when all hooks have ended */
	}
	if (s->alive)
		cfw_server_drain(c, s);
	else
		begin_post_stop(c, s);
}

void cfw_do_gone(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	s->alive = false;
	s->pending = 0; /* what it was to be told is stale */
	if (ev && ev->type == CFW_EV_SERVER_STOPPED && c->stop.running)
		cfw_code_raise(c, cfw_code_clamp(ev->code)); /* S2.15 */
	if (s->unwind)
		cfw_server_unwound(c, s);
	else if (cfw_stop_is_short(c) && s->running)
		cfw_server_set(c, s, CFW_S_PRE_STOP);
	else if (cfw_stop_is_short(c))
		cfw_do_finish(c, s, ev);
	else if (s->owed && !s->released)
		cfw_server_set(c, s, CFW_S_HELD); /* a restart was being undone when the stop began: its turn has not come */
	else
		begin_post_stop(c, s);
}

/* S4.13: it ended unasked; recorded, its hooks still run, nobody else is cut for it. */
static void record_death(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	s->alive = false;
	c->stop.begun = true;
	if (c->stop.cancelling)
		cfw_stop_goes_on(c);
	cfw_journal_put(c,
			&(struct cfw_journal_entry){
				.what = CFW_J_CLOSED, .server = s->id, .code = ev->code, .signo = ev->signo, .text = ev->text});
	if (!s->expect_exit || ev->code != 0 || ev->signo != 0)
		cfw_stop_flaw(c);
}

void cfw_do_died(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (!s->alive) {
		cfw_core_late(c, ev->type);
		return;
	}
	record_death(c, s, ev);
	if (s->state == CFW_S_PRE_STOP && cfw_stop_is_short(c) && !s->running)
		cfw_do_finish(c, s, ev);
}

void cfw_do_failed_gone(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (!s->alive) {
		cfw_core_late(c, ev->type);
		return;
	}
	s->alive = false;
	cfw_server_recount(c, s);
}

void cfw_do_died_stopping(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	record_death(c, s, ev);
	cfw_do_gone(c, s, ev);
}

void cfw_server_cut(struct cfw_core *c, struct cfw_server *s)
{
	bool as_ever = c->stop.running && c->stop.mode == CFW_ABORT && !s->running;
	s->was_cut = true;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_CUT, .server = s->id, .b = as_ever});
	cfw_server_set(c, s, CFW_S_CUTTING);
	cfw_queue_server(c, s, CFW_P_CUT);
}

/* Its own stop_timeout has passed; its post_stop hooks still run. */
void cfw_do_own_cut(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	(void)ev;
	cfw_stop_flaw(c);
	cfw_server_cut(c, s);
	cfw_due_set(c, CFW_DUE_SERVER, s->id, cfw_time_add(c->now_ns, OWN_CUT_WAITS * c->config.cut_wait_ns));
}

/* S4.2: the pre_stop hooks that have not begun begin now; a start hook that runs is cut, a drain goes on until all hooks ended. */
void cfw_do_abort(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	bool draining = s->state == CFW_S_STOPPING || s->state == CFW_S_CUTTING;
	if (!draining)
		cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	cfw_hooks_cut(c, s, CFW_FAILED);
	cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_CUT);
	forget_plans(c, s);
	if (s->owed)
		cfw_hooks_all_pre_stop(c, s);
	if (draining || (!s->owed && s->alive))
		return;
	if (s->running || s->alive)
		cfw_server_set(c, s, CFW_S_PRE_STOP);
	else if (s->state != CFW_S_FAILED || s->owed)
		cfw_do_finish(c, s, ev);
}

/* The end of its time: at the margin, or when all hooks of an abort have ended. */
void cfw_do_cut(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	cfw_hooks_cut(c, s, CFW_CUT);
	forget_plans(c, s);
	if (s->owed)
		cfw_hooks_all_pre_stop(c, s);
	if (s->alive && s->state != CFW_S_CUTTING)
		cfw_server_cut(c, s);
	else if (s->alive)
		return; /* by its own limit, already */
	else if (s->running)
		cfw_server_set(c, s, CFW_S_PRE_STOP);
	else if (s->state != CFW_S_FAILED || s->owed)
		cfw_do_finish(c, s, ev);
}
