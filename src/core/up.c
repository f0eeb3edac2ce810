/* A server on its way up: waiting, hooks, start, failure, restart. Each function is what a cell of server.c's table does. */
#include "core/machine.h"

enum { BACKOFF_LIMIT_S = 30, BACKOFF_LEAST_MS = 10, STEADY_S = 10 };

/* To be started once all that it depends on is. */
void cfw_do_wait(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	(void)ev;
	cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	s->after = CFW_AFTER_DOWN; /* also where it failed while a restart was wanted */
	cfw_server_set(c, s, CFW_S_WAITING);
}

/* A start has to be over by then: the server's own limit, and the manager's for all of them together. */
static uint64_t start_deadline(const struct cfw_core *c, const struct cfw_server *s)
{
	uint64_t all = c->start.running ? c->start.deadline_ns : cfw_time_add(c->now_ns, c->config.start_timeout_ns);
	return cfw_time_min(all, cfw_time_add(c->now_ns, s->start_timeout_ns));
}

void cfw_do_go(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (c->globals_begun)
		cfw_hooks_reset(c, NULL); /* a stop is over, and the process has lived on: a new life, S3.4 */
	cfw_hooks_reset(c, s);
	s->was_started = s->was_cut = false;
	s->fail_text = 0;
	s->attempt++;
	s->go_ns = c->now_ns;
	s->deadline_ns = start_deadline(c, s);
	cfw_due_set(c, CFW_DUE_SERVER, s->id, s->deadline_ns);
	if (!s->hooks[CFW_PRE_START]) {
		cfw_do_launch(c, s, ev);
		return;
	}
	cfw_server_set(c, s, CFW_S_PRE_START);
	cfw_hooks_next(c, s, CFW_PRE_START);
}

/* Somebody wants it stopped, and its start is not to be brought to its end first (S3.2 in contrast to S3.3). */
static bool given_up(const struct cfw_core *c, const struct cfw_server *s)
{
	return s->stop_wanted && (!c->stop.running || c->stop.give_up);
}

void cfw_do_launch(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (given_up(c, s)) {
		cfw_do_hold(c, s, ev);
		return;
	}
	s->alive = true;
	cfw_server_set(c, s, CFW_S_STARTING);
	cfw_queue_server(c, s, CFW_P_START);
}

/* From here on it counts as started: its pre_stop hooks are owed (S4.12). */
void cfw_do_ready(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (!s->owed) {
		s->owed = true;
		c->pre_owed += s->pre_hooks;
	}
	s->was_started = true;
	if (c->stop.running && c->stop.mode == CFW_ABORT) {
		cfw_do_abort(c, s, ev);
		return;
	}
	if (given_up(c, s)) {
		cfw_do_hold(c, s, ev);
		return;
	}
	if (s->hooks[CFW_POST_START]) {
		cfw_server_set(c, s, CFW_S_POST_START);
		cfw_hooks_next(c, s, CFW_POST_START);
		return;
	}
	cfw_do_up(c, s, ev);
}

void cfw_do_up(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	s->up_ns = c->now_ns;
	if (s->stop_wanted) {
		cfw_do_hold(c, s, ev);
		return;
	}
	s->retry = false;
	cfw_server_set(c, s, CFW_S_STARTED);
	cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_OK);
}

static bool may_retry(const struct cfw_server *s)
{
	return s->restart_max == 0 || s->tries < s->restart_max;
}

static void back_off(struct cfw_core *c, struct cfw_server *s)
{
	uint64_t wait = s->backoff_ns, limit = BACKOFF_LIMIT_S * CFW_SEC;
	if (s->tries > 0)
		wait = cfw_time_max(wait, BACKOFF_LEAST_MS * CFW_MS); /* only the first may be at once: no hot loop */
	for (uint32_t i = 0; i < s->tries && wait < limit; i++)
		wait = cfw_time_add(wait, wait);
	wait = cfw_time_min(wait, cfw_time_max(limit, s->backoff_ns));
	s->tries++;
	s->restarts++;
	s->retry = true;
	s->deadline_ns = cfw_time_add(c->now_ns, wait);
	cfw_server_set(c, s, CFW_S_BACKOFF);
	cfw_journal_put(
		c, &(struct cfw_journal_entry){.what = CFW_J_BACKOFF, .server = s->id, .a = s->tries, .ns = s->deadline_ns});
	cfw_due_set(c, CFW_DUE_SERVER, s->id, s->deadline_ns);
}

static void raise_start_failed(struct cfw_core *c, const struct cfw_server *s)
{
	cfw_trigger_raise(c, &(struct cfw_trigger){.kind = CFW_T_START_FAILED, .server = s->id, .text = s->fail_text});
}

/* ev: the report or the hook's end, whose text is the reason; or a tick: its time has passed. */
void cfw_do_fail(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	cfw_due_set(c, CFW_DUE_SERVER, s->id, CFW_NEVER);
	cfw_hooks_cut(c, s, CFW_FAILED);
	s->fail_text = ev ? ev->text : 0;
	bool late = ev && ev->type == CFW_EV_TICK;
	cfw_journal_put(c, &(struct cfw_journal_entry){.what = CFW_J_START_FAILED,
						       .server = s->id,
						       .text = s->fail_text,
						       .ns = late ? cfw_time_left(s->go_ns, s->deadline_ns) : 0});
	if (!c->stop.running && s->retry && !s->stop_wanted) {
		cfw_server_unwind(c, s, may_retry(s) ? CFW_AFTER_BACKOFF : CFW_AFTER_CLOSED);
		return;
	}
	cfw_start_failed_note(c, s);
	cfw_server_set(c, s, CFW_S_FAILED);
	if (s->stop_wanted)
		cfw_do_hold(c, s, ev);
	raise_start_failed(c, s);
}

/* The same, and there is nothing left of it that would have to be stopped. */
void cfw_do_fail_gone(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	s->alive = false;
	cfw_do_fail(c, s, ev);
}

void cfw_do_fail_late(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	cfw_do_fail(c, s, ev);
}

void cfw_server_unwind(struct cfw_core *c, struct cfw_server *s, int after)
{
	s->after = (uint8_t)after;
	s->unwind = true;
	c->unwinding++;
	if (s->alive)
		cfw_server_drain(c, s);
	else
		cfw_server_unwound(c, s);
}

static void raise_closed(struct cfw_core *c, struct cfw_server *s, int code, int signo, uint32_t text)
{
	cfw_server_set(c, s, CFW_S_CLOSED);
	s->retry = false;
	cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_FAILED);
	cfw_trigger_raise(c, &(struct cfw_trigger){
				     .kind = CFW_T_CLOSED, .server = s->id, .code = code, .died_signo = signo, .text = text});
}

void cfw_server_unwound(struct cfw_core *c, struct cfw_server *s)
{
	int after = s->after;
	s->unwind = false;
	s->after = CFW_AFTER_DOWN;
	c->unwinding--;
	if (after == CFW_AFTER_BACKOFF) {
		back_off(c, s);
	} else if (after == CFW_AFTER_CLOSED) {
		raise_closed(c, s, -1, 0, s->fail_text);
	} else if (after == CFW_AFTER_START) {
		cfw_do_wait(c, s, NULL);
	} else {
		cfw_server_set(c, s, CFW_S_FAILED);
		cfw_waiters_reply_want(c, s, CFW_W_UP, CFW_FAILED);
	}
}

/* Asked to start again after a failed start. */
void cfw_do_retry(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	if (s->alive)
		cfw_server_unwind(c, s, CFW_AFTER_START);
	else
		cfw_do_wait(c, s, ev);
}

/* A started server has ended by itself: its own restart first, then the trigger (S2.7). */
void cfw_do_closed(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev)
{
	bool failure = ev->code != 0 || ev->signo != 0;
	s->alive = false;
	cfw_journal_put(c,
			&(struct cfw_journal_entry){
				.what = CFW_J_CLOSED, .server = s->id, .code = ev->code, .signo = ev->signo, .text = ev->text});
	if (s->retired) { /* on its way out anyway */
		cfw_do_hold(c, s, ev);
		return;
	}
	if (c->now_ns - s->up_ns >= STEADY_S * CFW_SEC)
		s->tries = 0;
	if ((s->restart == CFW_RESTART_ALWAYS || (s->restart == CFW_RESTART_FAILURE && failure)) && may_retry(s)) {
		back_off(c, s);
	} else if (s->expect_exit && !failure) {
		cfw_do_finish(c, s, ev); /* its hooks are not due any more */
		cfw_start_give_up_dependants(c, s);
	} else {
		raise_closed(c, s, ev->code, ev->signo, ev->text);
	}
}
