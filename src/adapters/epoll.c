#define _GNU_SOURCE
#include "adapters/epoll.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "adapters/calls.h"
#include "base/err.h"
#include "base/time.h"

enum { BATCH = 64 };

struct curfew_watch {
	struct curfew_watch *next, **link;
	int fd, in; /* in: what epoll has, fd itself or a copy, where another watch has fd; -1: detached */
	unsigned what;
	curfew_watch_fn *fn;
	void *ud;
};

struct epoll_loop {
	int fd, timer, wake;
	struct cfw_calls timers, deferred;
	struct curfew_watch *watches; /* detached ones too: the owner may still end them, else _free does */
	uint64_t armed;               /* what the timer is set to; CFW_NEVER */
	bool woken;                   /* wake is readable */
	bool turning, freed;          /* freed: _free came from a callback */
	struct epoll_event batch[BATCH];
	int n; /* of the batch */
};

static uint64_t read_clock(void *loop)
{
	(void)loop;
	return cfw_time_now();
}

/* The one descriptor is readable as long as there is something to do, and when there will be. */
static void rearm(struct epoll_loop *l)
{
	uint64_t at = cfw_calls_deadline(&l->timers), one = 1;
	if (at != l->armed) {
		struct itimerspec when = {.it_value = {0}};
		if (at != CFW_NEVER) /* a time of 0 would take it back */
			when.it_value =
				(struct timespec){.tv_sec = (time_t)(at / CFW_SEC), .tv_nsec = (long)(at % CFW_SEC) + !at};
		timerfd_settime(l->timer, TFD_TIMER_ABSTIME, &when, NULL);
		l->armed = at;
	}
	if (l->deferred.n && !l->woken)
		l->woken = write(l->wake, &one, sizeof one) == (ssize_t)sizeof one;
}

static int set_timer(void *loop, uint64_t at_ns, curfew_loop_fn *fn, void *ud)
{
	struct epoll_loop *l = loop;
	int rc = fn ? cfw_calls_set(&l->timers, fn, ud, at_ns) : CURFEW_EINVAL;
	if (!l->turning)
		rearm(l);
	return rc;
}

static int defer(void *loop, curfew_loop_fn *fn, void *ud)
{
	struct epoll_loop *l = loop;
	int rc = fn ? cfw_calls_defer(&l->deferred, fn, ud) : CURFEW_EINVAL;
	if (!l->turning)
		rearm(l);
	return rc;
}

/* ---- watches ---- */

static int put_in(const struct epoll_loop *l, int op, struct curfew_watch *w, unsigned what)
{
	struct epoll_event e = {.events = (what & CURFEW_READ ? EPOLLIN : 0u) | (what & CURFEW_WRITE ? EPOLLOUT : 0u),
				.data.ptr = w};
	return epoll_ctl(l->fd, op, w->in, &e);
}

static int attach(const struct epoll_loop *l, struct curfew_watch *w, int fd, unsigned what)
{
	w->in = fd;
	if (put_in(l, EPOLL_CTL_ADD, w, what) == 0)
		return 0;
	w->in = errno == EEXIST ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
	if (w->in >= 0 && put_in(l, EPOLL_CTL_ADD, w, what) == 0)
		return 0;
	if (w->in >= 0)
		close(w->in);
	w->in = -1;
	return CURFEW_ESYS;
}

/* What this turn has found of it is nobody's any more. */
static void detach_watch(struct epoll_loop *l, struct curfew_watch *w)
{
	if (w->in >= 0)
		epoll_ctl(l->fd, EPOLL_CTL_DEL, w->in, NULL);
	if (w->in >= 0 && w->in != w->fd)
		close(w->in);
	w->in = -1;
	for (int i = 0; i < l->n; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

static void end_watch(struct epoll_loop *l, struct curfew_watch *w)
{
	detach_watch(l, w);
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	free(w);
}

static int make_watch(struct epoll_loop *l, struct curfew_watch **slot, int fd, unsigned what)
{
	struct curfew_watch *w = calloc(1, sizeof *w);
	if (!w)
		return CURFEW_ENOMEM;
	if (attach(l, w, fd, what)) {
		free(w);
		return CURFEW_ESYS;
	}
	w->link = &l->watches;
	w->next = l->watches;
	if (w->next)
		w->next->link = &w->next;
	l->watches = w;
	*slot = w;
	return 0;
}

static int change_watch(struct epoll_loop *l, struct curfew_watch *w, int fd, unsigned what)
{
	if (w->fd == fd)
		return put_in(l, EPOLL_CTL_MOD, w, what) ? CURFEW_ESYS : 0;
	struct curfew_watch other = *w;
	if (attach(l, &other, fd, what))
		return CURFEW_ESYS;
	detach_watch(l, w); /* epoll knows the new one by its address, which is w's from here on */
	w->in = other.in;
	return put_in(l, EPOLL_CTL_MOD, w, what) ? CURFEW_ESYS : 0;
}

static int watch(void *loop, struct curfew_watch **slot, int fd, unsigned what, curfew_watch_fn *fn, void *ud)
{
	struct epoll_loop *l = loop;
	struct curfew_watch *w = *slot;
	if (what == 0) {
		*slot = NULL;
		if (w)
			end_watch(l, w);
		return 0;
	}
	if (fd < 0 || !fn || what & ~(unsigned)(CURFEW_READ | CURFEW_WRITE))
		return CURFEW_EINVAL;
	if (w && w->in < 0)
		return CURFEW_ESTATE;
	int rc = !w ? make_watch(l, slot, fd, what) : w->fd == fd && w->what == what ? 0 : change_watch(l, w, fd, what);
	if (rc)
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
	struct epoll_loop *l = loop;
	cfw_calls_forget(&l->timers);
	cfw_calls_forget(&l->deferred);
	for (struct curfew_watch *w = l->watches; w; w = w->next)
		detach_watch(l, w);
}

static const struct curfew_loop_ops epoll_ops = {
	.size = sizeof(struct curfew_loop_ops),
	.name = "epoll",
	.now_ns = read_clock,
	.timer = set_timer,
	.watch = watch,
	.defer = defer,
	.detach = detach,
};

/* ---- the loop ---- */

static int hold(const struct epoll_loop *l, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}; /* it only ends the wait */
	return fd < 0 ? -1 : epoll_ctl(l->fd, EPOLL_CTL_ADD, fd, &e);
}

static void release(struct epoll_loop *l)
{
	for (struct curfew_watch *w = l->watches, *next; w; w = next) {
		next = w->next;
		end_watch(l, w);
	}
	cfw_calls_clear(&l->timers);
	cfw_calls_clear(&l->deferred);
	if (l->timer >= 0)
		close(l->timer);
	if (l->wake >= 0)
		close(l->wake);
	if (l->fd >= 0)
		close(l->fd);
	free(l);
}

int curfew_epoll_new(struct curfew_loop *out, struct curfew_err *err)
{
	struct epoll_loop *l = calloc(1, sizeof *l);
	if (!l)
		return cfw_err_set(err, CURFEW_ENOMEM, "no memory for a loop");
	l->armed = CFW_NEVER;
	l->fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->fd < 0 || hold(l, l->timer) || hold(l, l->wake)) {
		int rc = cfw_err_sys(err, "epoll");
		release(l);
		return rc;
	}
	*out = (struct curfew_loop){.ops = &epoll_ops, .loop = l};
	return 0;
}

void curfew_epoll_free(struct curfew_loop *loop)
{
	struct epoll_loop *l = loop->loop;
	if (!l)
		return;
	*loop = (struct curfew_loop){0};
	detach(l);
	if (l->turning)
		l->freed = true;
	else
		release(l);
}

int curfew_epoll_fd(const struct curfew_loop *loop)
{
	return ((const struct epoll_loop *)loop->loop)->fd;
}

uint64_t curfew_epoll_due(const struct curfew_loop *loop)
{
	const struct epoll_loop *l = loop->loop;
	return l->deferred.n ? 0 : cfw_calls_deadline(&l->timers);
}

/* Errors and hang-ups are ready for whatever is watched, so that somebody looks. */
static void call_watches(struct epoll_loop *l)
{
	l->n = epoll_wait(l->fd, l->batch, BATCH, 0);
	for (int i = 0; i < l->n; i++) {
		struct curfew_watch *w = l->batch[i].data.ptr;
		uint32_t got = l->batch[i].events;
		if (!w)
			continue;
		unsigned ready = (got & EPOLLIN ? CURFEW_READ : 0u) | (got & EPOLLOUT ? CURFEW_WRITE : 0u);
		ready = (got & (EPOLLERR | EPOLLHUP) ? CURFEW_READ | CURFEW_WRITE : ready) & w->what;
		if (ready)
			w->fn(w->ud, w->fd, ready);
	}
	l->n = 0;
}

void curfew_epoll_turn(struct curfew_loop *loop)
{
	struct epoll_loop *l = loop->loop;
	uint64_t times;
	if (l->turning)
		return;
	l->turning = true;
	if (l->woken && read(l->wake, &times, sizeof times) == (ssize_t)sizeof times)
		l->woken = false;
	if (l->armed <= cfw_time_now() && read(l->timer, &times, sizeof times) == (ssize_t)sizeof times)
		l->armed = CFW_NEVER; /* it has come: it is set anew below */
	call_watches(l);
	cfw_calls_run(&l->timers, cfw_time_now());
	cfw_calls_run(&l->deferred, 0);
	l->turning = false;
	if (l->freed)
		release(l);
	else
		rearm(l);
}
