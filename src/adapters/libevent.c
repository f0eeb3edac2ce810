#include "adapters/libevent.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>

#include "adapters/calls.h"
#include "base/err.h"
#include "base/time.h"

struct curfew_watch {
	struct curfew_watch *next, **link;
	struct event ev;
	bool attached;
	unsigned what;
	int fd;
	curfew_watch_fn *fn;
	void *ud;
};

struct libevent_loop {
	struct event_base *base;
	struct cfw_calls timers, deferred;
	struct curfew_watch *watches; /* detached ones too: the owner may still end them, else _free does */
	struct event timer_ev, defer_ev;
	unsigned depth; /* a list of calls is being run (libevent does not nest) */
	bool freed;     /* _free came from a callback */
};

static uint64_t read_clock(void *loop)
{
	(void)loop;
	return cfw_time_now();
}

/* Microseconds, rounded up: a timer must not come early. Far times are cut to what every backend takes; they are armed anew. */
static struct timeval to_timeval(uint64_t ns)
{
	uint64_t us = cfw_time_min(ns, 86400 * CFW_SEC) / 1000 + (ns % 1000 != 0);
	return (struct timeval){.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
}

static int arm_timer(struct libevent_loop *l)
{
	uint64_t at = cfw_calls_deadline(&l->timers);
	if (at == CFW_NEVER)
		return event_del(&l->timer_ev) < 0 ? CURFEW_ESYS : 0;
	struct timeval tv = to_timeval(cfw_time_left(cfw_time_now(), at));
	return event_add(&l->timer_ev, &tv) < 0 ? CURFEW_ESYS : 0;
}

static int arm_deferred(struct libevent_loop *l)
{
	/* A timeout and no event_active: that would run within the same pass over the active events, and a call that defers itself
	 * would keep the loop from ever looking at descriptors. */
	struct timeval now = {0};
	if (!l->deferred.n || evtimer_pending(&l->defer_ev, NULL))
		return 0;
	return event_add(&l->defer_ev, &now) < 0 ? CURFEW_ESYS : 0;
}

static void release(struct libevent_loop *l)
{
	while (l->watches) {
		struct curfew_watch *w = l->watches;
		l->watches = w->next;
		free(w);
	}
	cfw_calls_clear(&l->timers);
	cfw_calls_clear(&l->deferred);
	free(l);
}

static void run_calls(struct libevent_loop *l, struct cfw_calls *calls, uint64_t now_ns)
{
	l->depth++;
	cfw_calls_run(calls, now_ns);
	l->depth--;
	if (l->freed)
		release(l);
	else if (calls == &l->timers)
		arm_timer(l);
	else
		arm_deferred(l);
}

/* libevent may wake us early (its clock is coarse, and cached while callbacks run): what is not due yet is armed again. */
static void on_timer(evutil_socket_t fd, short what, void *ud)
{
	(void)fd, (void)what;
	struct libevent_loop *l = ud;
	run_calls(l, &l->timers, cfw_time_now());
}

static void on_deferred(evutil_socket_t fd, short what, void *ud)
{
	(void)fd, (void)what;
	struct libevent_loop *l = ud;
	run_calls(l, &l->deferred, 0);
}

/* The callback may end w or free the adapter: it is the last thing done. */
static void on_ready(evutil_socket_t fd, short what, void *ud)
{
	struct curfew_watch *w = ud;
	unsigned ready = (what & EV_READ ? CURFEW_READ : 0u) | (what & EV_WRITE ? CURFEW_WRITE : 0u);
	w->fn(w->ud, (int)fd, ready);
}

static int set_timer(void *loop, uint64_t at_ns, curfew_loop_fn *fn, void *ud)
{
	struct libevent_loop *l = loop;
	if (!fn)
		return CURFEW_EINVAL;
	uint64_t before = cfw_calls_deadline(&l->timers);
	int rc = cfw_calls_set(&l->timers, fn, ud, at_ns);
	if (rc < 0)
		return rc;
	if (cfw_calls_deadline(&l->timers) == before && (before == CFW_NEVER || evtimer_pending(&l->timer_ev, NULL)))
		return 0;
	return arm_timer(l);
}

static int defer(void *loop, curfew_loop_fn *fn, void *ud)
{
	struct libevent_loop *l = loop;
	if (!fn)
		return CURFEW_EINVAL;
	int rc = cfw_calls_defer(&l->deferred, fn, ud);
	return rc < 0 ? rc : arm_deferred(l);
}

static int attach(struct libevent_loop *l, struct curfew_watch *w, int fd, unsigned what)
{
	short events = (short)(EV_PERSIST | (what & CURFEW_READ ? EV_READ : 0) | (what & CURFEW_WRITE ? EV_WRITE : 0));
	if (event_assign(&w->ev, l->base, fd, events, on_ready, w) < 0)
		return CURFEW_EINVAL;
	return event_add(&w->ev, NULL) < 0 ? CURFEW_ESYS : 0;
}

static void end_watch(struct curfew_watch *w)
{
	if (w->attached)
		event_del(&w->ev);
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	free(w);
}

static int make_watch(struct libevent_loop *l, struct curfew_watch **slot, int fd, unsigned what)
{
	struct curfew_watch *w = calloc(1, sizeof *w);
	if (!w)
		return CURFEW_ENOMEM;
	int rc = attach(l, w, fd, what);
	if (rc < 0) {
		free(w);
		return rc;
	}
	w->link = &l->watches;
	w->next = l->watches;
	if (w->next)
		w->next->link = &w->next;
	l->watches = w;
	w->attached = true;
	*slot = w;
	return 0;
}

static int change_watch(struct libevent_loop *l, struct curfew_watch *w, int fd, unsigned what)
{
	if (w->fd == fd && w->what == what)
		return 0;
	event_del(&w->ev);
	int rc = attach(l, w, fd, what);
	if (rc < 0)
		attach(l, w, w->fd, w->what);
	return rc;
}

static int watch(void *loop, struct curfew_watch **slot, int fd, unsigned what, curfew_watch_fn *fn, void *ud)
{
	struct libevent_loop *l = loop;
	struct curfew_watch *w = *slot;
	if (what == 0) {
		*slot = NULL;
		if (w)
			end_watch(w);
		return 0;
	}
	if (fd < 0 || !fn || what & ~(unsigned)(CURFEW_READ | CURFEW_WRITE))
		return CURFEW_EINVAL;
	if (w && !w->attached)
		return CURFEW_ESTATE;
	int rc = w ? change_watch(l, w, fd, what) : make_watch(l, slot, fd, what);
	if (rc < 0)
		return rc;
	w = *slot;
	w->fd = fd;
	w->what = what;
	w->fn = fn;
	w->ud = ud;
	return 0;
}

static void detach(void *loop)
{
	struct libevent_loop *l = loop;
	cfw_calls_forget(&l->timers);
	cfw_calls_forget(&l->deferred);
	event_del(&l->timer_ev);
	event_del(&l->defer_ev);
	for (struct curfew_watch *w = l->watches; w; w = w->next) {
		if (w->attached)
			event_del(&w->ev);
		w->attached = false;
	}
}

static const struct curfew_loop_ops libevent_ops = {
	.size = sizeof(struct curfew_loop_ops),
	.name = "libevent",
	.now_ns = read_clock,
	.timer = set_timer,
	.watch = watch,
	.defer = defer,
	.detach = detach,
};

int curfew_libevent_new(struct event_base *base, struct curfew_loop *out, struct curfew_err *err)
{
	struct libevent_loop *l = calloc(1, sizeof *l);
	if (!l)
		return cfw_err_set(err, CURFEW_ENOMEM, "no memory for a loop");
	l->base = base;
	if (!base || evtimer_assign(&l->timer_ev, base, on_timer, l) < 0 ||
	    evtimer_assign(&l->defer_ev, base, on_deferred, l) < 0) {
		free(l);
		return cfw_err_set(err, CURFEW_EINVAL, "libevent refuses a timer on this event base");
	}
	*out = (struct curfew_loop){.ops = &libevent_ops, .loop = l};
	return 0;
}

void curfew_libevent_free(struct curfew_loop *loop)
{
	struct libevent_loop *l = loop->loop;
	if (!l)
		return;
	*loop = (struct curfew_loop){0};
	detach(l);
	if (l->depth)
		l->freed = true;
	else
		release(l);
}
