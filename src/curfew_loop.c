/* curfew_loop.c: the one loop: inbox -> feed -> carry out actions -> arm one timer; and what wakes it. */
#define _GNU_SOURCE
#include "curfew_impl.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

uint64_t cfw_now(const struct curfew *c)
{
	return c->loop.ops->now_ns(c->loop.loop);
}

static void step_from_loop(void *ud)
{
	cfw_step(ud);
}

void cfw_wake(struct curfew *c)
{
	if (!c->stepping && !c->ended)
		c->loop.ops->defer(c->loop.loop, step_from_loop, c);
}

void cfw_wake_later(void *ud)
{
	cfw_wake(ud);
}

void curfew_wake(struct curfew *c)
{
	int saved = errno;
	uint64_t one = 1;
	ssize_t n = write(c->wake_fd, &one, sizeof one); /* EAGAIN: a wake is pending already */
	(void)n;
	errno = saved;
}

static void woken(void *ud, int fd, unsigned what)
{
	(void)what;
	uint64_t n;
	if (read(fd, &n, sizeof n) < 0 && errno != EAGAIN)
		return;
	cfw_step(ud);
}

void cfw_journal_tell(struct curfew *c)
{
	const struct cfw_journal_entry *e = cfw_core_journal(c->core, c->journal_seen + 1);
	if (!e)
		return;
	if (c->opt.on_journal && c->after != CFW_AFTER_LOADING)
		c->opt.on_journal(c->opt.ud);
	for (; e; e = cfw_core_journal(c->core, c->journal_seen + 1))
		c->journal_seen = e->seq;
}

void cfw_wake_close(struct curfew *c)
{
	if (c->wake_watch)
		c->loop.ops->watch(c->loop.loop, &c->wake_watch, c->wake_fd, 0, NULL, NULL);
	if (c->wake_fd >= 0)
		close(c->wake_fd);
	c->loop.ops->timer(c->loop.loop, CFW_NEVER, step_from_loop, c);
}

int cfw_wake_open(struct curfew *c, struct curfew_err *err)
{
	c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (c->wake_fd < 0)
		return cfw_err_sys(err, "eventfd");
	int rc = c->loop.ops->watch(c->loop.loop, &c->wake_watch, c->wake_fd, CURFEW_READ, woken, c);
	return rc ? cfw_err_set(err, rc, "the loop refused to watch a descriptor") : 0;
}

/* The scripts have ended: start what they did not start themselves. */
static void start_when_loaded(struct curfew *c)
{
	if (!c->autostart || c->loading || c->failed || c->after)
		return;
	if (atomic_load(&c->page->pending_since_ns) != CFW_NEVER)
		return; /* a signal is to be decided on first */
	c->autostart = false;
	if (c->start_asked)
		return;
	c->start_asked = true;
	atomic_store(&c->page->loaded, 1);
	struct cfw_event e = {.type = CFW_EV_START, .request = ++c->requests};
	c->start_request = e.request;
	cfw_inbox_put(c, &e);
}

/* S2.8: nothing is left that could ever happen. */
static void look_idle(struct curfew *c)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	bool busy = cfw_gens_busy(c) || !cfw_core_quiet(c->core);
	bool quiet = !c->after && c->inbox_at == c->inbox_n && !c->loading && c->start_asked && !c->idle_off && !stop.running &&
		     !busy && !c->trial;
	if (!quiet) {
		if (busy)
			c->idle_raised = false;
		return;
	}
	if (!c->idle_raised) {
		c->idle_raised = true;
		cfw_put_trigger(c, (struct cfw_trigger){.kind = CFW_T_IDLE});
	}
}

static void tell_deadline(struct curfew *c)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	uint64_t margin = c->deactivated ? CFW_NEVER : stop.margin_ns;
	uint64_t deadline = c->deactivated ? CFW_NEVER : stop.deadline_ns;
	atomic_store(&c->page->margin_ns, margin);
	atomic_store(&c->page->deadline_ns, deadline);
	atomic_store(&c->page->code, stop.code);
	atomic_store(&c->page->stopping, stop.running);
	bool decided = c->decided && !c->undecided;
	if (!decided && margin == c->told_margin && deadline == c->told_deadline)
		return;
	c->decided &= !decided;
	c->told_margin = margin;
	c->told_deadline = deadline;
	if (c->opt.on_deadline)
		c->opt.on_deadline(c->opt.ud, margin, deadline, !c->undecided);
}

/* Feed one event; who asked for what cannot be had now is told at once. */
static void feed(struct curfew *c, const struct cfw_event *e)
{
	int rc = cfw_core_feed(c->core, cfw_now(c), e);
	if (rc == CURFEW_ENOMEM && e->request && e->request == c->start_request) {
		/* What was loaded starts, and nobody is told. */
		struct cfw_event silent = *e;
		silent.request = c->start_request = 0;
		rc = cfw_core_feed(c->core, cfw_now(c), &silent);
	}
	bool refused = rc && e->type == CFW_EV_TRIGGER && e->trigger.kind == CFW_T_SIGNAL;
	if ((refused || (e->type == CFW_EV_DECISION && e->signo)) && c->undecided) {
		c->undecided--;
		c->decided = true;
	}
	if (rc == 0)
		return;
	struct curfew_err err = {0};
	cfw_err_set(&err, rc, rc == CURFEW_ESTATE ? "not now: curfew is %s" : "refused while curfew is %s",
		    cfw_life_name(cfw_core_life(c->core)));
	uint32_t request = e->request ? e->request : e->trigger.request;
	if (request)
		cfw_waiter_answer(c, request, &err);
}

/* Before anything is done about it: whoever has seen a hook of a server that has started can rely on what is owed to it. */
static void note_page(struct curfew *c)
{
	const struct cfw_journal_entry *e;
	while ((e = cfw_core_journal(c->core, c->noted + 1))) {
		c->noted = e->seq;
		if (e->what == CFW_J_SERVER)
			cfw_page_note_server(c, e->server);
		else if (e->what == CFW_J_LIFE)
			cfw_page_note_life(c, e->a);
		else if (e->what == CFW_J_STOP && e->a == CFW_ABORT)
			curfew_emit(c, "aborting", NULL);
		else
			cfw_raise_note(c, e);
	}
}

/* Done at once, whatever a script may do: so that a child hears its signal before anything is written about it. */
static bool is_quick(const struct curfew *c, const struct cfw_action *a)
{
	const struct cfw_entry *s = a->type == CFW_ACT_STOP ? cfw_entry_get(c, a->server) : NULL;
	return a->type == CFW_ACT_LAME || a->type == CFW_ACT_CALL || (s && s->kind == &cfw_process_kind);
}

/* Everything that has happened goes in, everything that follows from it is done. True when something moved. */
bool cfw_drain(struct curfew *c)
{
	bool moved = false;
	struct cfw_action a;
	if (c->inbox_at == c->inbox_n && cfw_core_deadline(c->core) <= cfw_now(c)) { /* what came in time counts first */
		struct cfw_event tick = {.type = CFW_EV_TICK};
		feed(c, &tick);
	}
	do {
		while (c->inbox_at < c->inbox_n && !c->ended) {
			struct cfw_event e = c->inbox[c->inbox_at++];
			feed(c, &e);
			moved = true;
		}
		note_page(c);
		while (!c->ended && cfw_core_next(c->core, &a)) {
			c->taken = &a;
			tell_deadline(
				c); /* before anything of the stop runs: the watchdog and Lua's margin hold from here on */
			if (!is_quick(c, &a))
				cfw_journal_tell(c);
			c->taken = NULL;
			cfw_carry_out(c, &a);
			moved = true;
		}
	} while (c->inbox_at < c->inbox_n && !c->ended);
	cfw_journal_tell(c);
	tell_deadline(c);
	return moved;
}

static void arm(struct curfew *c)
{
	uint64_t at = cfw_deadline(c);
	if (at <= cfw_now(c))
		c->loop.ops->defer(c->loop.loop, step_from_loop, c);
	else if (c->loop.ops->timer(c->loop.loop, at, step_from_loop, c))
		c->loop.ops->defer(c->loop.loop, step_from_loop, c);
}

uint64_t cfw_deadline(const struct curfew *c)
{
	if (c->ended)
		return CFW_NEVER;
	uint64_t at = cfw_time_min(cfw_core_deadline(c->core), cfw_gens_deadline(c));
	at = cfw_time_min(at, cfw_reload_deadline(c));
	if (c->after == CFW_AFTER_LOADING)
		at = cfw_time_min(at, c->after_until_ns);
	return cfw_time_min(at, cfw_timers_deadline(&c->timers));
}

int cfw_step(struct curfew *c)
{
	enum { ROUNDS = 8 }; /* then the host's other events have their turn; scripts do not begin once more after 10 ms */
	if (c->stepping || c->ended)
		return 0;
	c->stepping = true;
	uint64_t now = cfw_now(c);
	cfw_exit_step(c);
	cfw_own_step(c);
	int asked = atomic_exchange(&c->thread_exit, 0);
	if (asked)
		curfew_exit(c, asked - 1);
	atomic_store(&c->page->turned_ns, now);
	cfw_timers_run(&c->timers, now);
	for (int i = 0; i < ROUNDS && !c->ended; i++) {
		cfw_drain(c); /* signals and deadlines before scripts: a busy script holds up none of them */
		if (c->ended)
			break;
		if (cfw_policy_deadline(c->policy) <= now)
			cfw_policy_step(c->policy, cfw_now(c));
		start_when_loaded(c);
		cfw_after_step(c);
		if ((!cfw_drain(c) && cfw_policy_deadline(c->policy) > now) || cfw_now(c) - now >= 10 * CFW_MS)
			break;
	}
	if (!c->ended) {
		cfw_gens_step(c);
		cfw_reload_step(c);
		cfw_retired_sweep(c);
		cfw_drain(c);
	}
	if (c->failed && !c->ended)
		cfw_finish(c, 2, false);
	if (!c->ended)
		look_idle(c);
	c->stepping = false;
	if (!c->ended) {
		if (c->inbox_at < c->inbox_n)
			cfw_wake(c);
		arm(c);
	}
	return 0;
}

/* Without the host's loop: what waits for descriptors in it is not served any more. */
static int run_to_end(struct curfew *c, int code, int (*step)(struct curfew *c))
{
	static const struct timespec moment = {0, 1000000};
	curfew_exit(c, code);
	while (!c->ended) {
		step(c);
		cfw_host_reap(c->host);
		if (!c->ended && cfw_deadline(c) > cfw_now(c))
			nanosleep(&moment, NULL);
	}
	return c->code;
}

int cfw_exit_outside(struct curfew *c, int code)
{
	return run_to_end(c, code, curfew_step);
}

int curfew_exit_inside(struct curfew *c, int code)
{
	const struct cfw_action *taken = c->taken;
	int low = code != 0 && (code & 255) == 0 ? 1 : code & 255;
	c->exit_inside = true;
	for (struct cfw_gen *g = c->gen; g; g = g->older)
		cfw_policy_abandon_current(g->policy, low);
	c->taken = NULL;
	if (taken) { /* who called goes no further */
		struct cfw_action a = *taken;
		if (a.type == CFW_ACT_EXIT && a.code < low)
			a.code = low;
		cfw_carry_out(c, &a);
	}
	c->stepping = false;
	return run_to_end(c, code, cfw_step); /* its loop is below us on the stack */
}
