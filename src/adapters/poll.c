#define _GNU_SOURCE
#include "adapters/poll.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "adapters/calls.h"
#include "base/err.h"
#include "base/time.h"

struct curfew_watch {
	size_t pos; /* index + 1 in watches and fds; 0 once detached */
	struct curfew_watch *next_ready, **ready_link;
	unsigned ready; /* what this turn found and nobody has been told yet */
	unsigned what;
	int fd;
	curfew_watch_fn *fn;
	void *ud;
};

struct poll_loop {
	struct cfw_calls timers, deferred;
	struct curfew_watch **watches; /* side by side with fds */
	struct pollfd *fds;
	size_t n, cap;
	struct curfew_watch *ready, **ready_end;
	struct curfew_watch *detached; /* linked by next_ready: the owner may still end them, else _free does */
	unsigned depth;                /* turns on the stack */
	bool freed;                    /* _free came from a callback */
};

static void unqueue(struct poll_loop *p, struct curfew_watch *w)
{
	w->ready = 0;
	if (!w->ready_link)
		return;
	*w->ready_link = w->next_ready;
	if (w->next_ready)
		w->next_ready->ready_link = w->ready_link;
	else
		p->ready_end = w->ready_link;
	w->next_ready = NULL;
	w->ready_link = NULL;
}

static void queue(struct poll_loop *p, struct curfew_watch *w, unsigned ready)
{
	w->ready = ready;
	if (w->ready_link)
		return;
	w->ready_link = p->ready_end;
	*p->ready_end = w;
	p->ready_end = &w->next_ready;
}

static void unlink_watch(struct poll_loop *p, struct curfew_watch *w)
{
	unqueue(p, w);
	size_t i = w->pos - 1, last = --p->n;
	p->watches[i] = p->watches[last];
	p->fds[i] = p->fds[last];
	p->watches[i]->pos = i + 1;
	w->pos = 0;
}

static void end_watch(struct poll_loop *p, struct curfew_watch *w)
{
	if (w->pos) {
		unlink_watch(p, w);
	} else {
		struct curfew_watch **at = &p->detached;
		while (*at != w)
			at = &(*at)->next_ready;
		*at = w->next_ready;
	}
	free(w);
}

static int reserve(struct poll_loop *p)
{
	if (p->n < p->cap)
		return 0;
	size_t cap = p->cap ? p->cap * 2 : 8;
	struct curfew_watch **watches = realloc(p->watches, cap * sizeof(struct curfew_watch *));
	if (!watches)
		return CURFEW_ENOMEM;
	p->watches = watches;
	struct pollfd *fds = realloc(p->fds, cap * sizeof *fds);
	if (!fds)
		return CURFEW_ENOMEM;
	p->fds = fds;
	p->cap = cap;
	return 0;
}

static uint64_t read_clock(void *loop)
{
	(void)loop;
	return cfw_time_now();
}

static int set_timer(void *loop, uint64_t at_ns, curfew_loop_fn *fn, void *ud)
{
	struct poll_loop *p = loop;
	return fn ? cfw_calls_set(&p->timers, fn, ud, at_ns) : CURFEW_EINVAL;
}

static int defer(void *loop, curfew_loop_fn *fn, void *ud)
{
	struct poll_loop *p = loop;
	return fn ? cfw_calls_defer(&p->deferred, fn, ud) : CURFEW_EINVAL;
}

static int watch(void *loop, struct curfew_watch **slot, int fd, unsigned what, curfew_watch_fn *fn, void *ud)
{
	struct poll_loop *p = loop;
	struct curfew_watch *w = *slot;
	if (what == 0) {
		*slot = NULL;
		if (w)
			end_watch(p, w);
		return 0;
	}
	if (fd < 0 || !fn || what & ~(unsigned)(CURFEW_READ | CURFEW_WRITE))
		return CURFEW_EINVAL;
	if (w && !w->pos)
		return CURFEW_ESTATE;
	if (!w) {
		if (reserve(p) < 0 || !(w = calloc(1, sizeof *w)))
			return CURFEW_ENOMEM;
		p->watches[p->n++] = w;
		w->pos = p->n;
		*slot = w;
	} else if (w->fd != fd) {
		unqueue(p, w);
	}
	w->fd = fd;
	w->what = what;
	w->fn = fn;
	w->ud = ud;
	short events = (short)((what & CURFEW_READ ? POLLIN : 0) | (what & CURFEW_WRITE ? POLLOUT : 0));
	p->fds[w->pos - 1] = (struct pollfd){.fd = fd, .events = events};
	return 0;
}

static void detach(void *loop)
{
	struct poll_loop *p = loop;
	cfw_calls_forget(&p->timers);
	cfw_calls_forget(&p->deferred);
	while (p->n) {
		struct curfew_watch *w = p->watches[p->n - 1];
		unlink_watch(p, w);
		w->next_ready = p->detached;
		p->detached = w;
	}
}

static void release(struct poll_loop *p)
{
	while (p->detached) {
		struct curfew_watch *w = p->detached;
		p->detached = w->next_ready;
		free(w);
	}
	cfw_calls_clear(&p->timers);
	cfw_calls_clear(&p->deferred);
	free(p->watches);
	free(p->fds);
	free(p);
}

static const struct curfew_loop_ops poll_ops = {
	.size = sizeof(struct curfew_loop_ops),
	.name = "poll",
	.now_ns = read_clock,
	.timer = set_timer,
	.watch = watch,
	.defer = defer,
	.detach = detach,
};

int curfew_poll_new(struct curfew_loop *out, struct curfew_err *err)
{
	struct poll_loop *p = calloc(1, sizeof *p);
	if (!p)
		return cfw_err_set(err, CURFEW_ENOMEM, "no memory for a loop");
	p->ready_end = &p->ready;
	*out = (struct curfew_loop){.ops = &poll_ops, .loop = p};
	return 0;
}

void curfew_poll_free(struct curfew_loop *loop)
{
	struct poll_loop *p = loop->loop;
	if (!p)
		return;
	*loop = (struct curfew_loop){0};
	detach(p);
	if (p->depth)
		p->freed = true;
	else
		release(p);
}

/* Wait, and queue the watches that are ready. Errors and hang-ups are ready for whatever is watched, so that somebody looks. */
static int wait_for_events(struct poll_loop *p, uint64_t until_ns)
{
	uint64_t left =
		p->deferred.n ? 0 : cfw_time_left(cfw_time_now(), cfw_time_min(until_ns, cfw_calls_deadline(&p->timers)));
	struct timespec ts = {.tv_sec = (time_t)(left / CFW_SEC), .tv_nsec = (long)(left % CFW_SEC)};
	int found = ppoll(p->fds, (nfds_t)p->n, left == CFW_NEVER ? NULL : &ts, NULL);
	if (found < 0)
		return errno == EINTR ? 0 : CURFEW_ESYS;
	for (size_t i = 0; found > 0 && i < p->n; i++) {
		short got = p->fds[i].revents;
		if (!got)
			continue;
		found--;
		unsigned ready = (got & POLLIN ? CURFEW_READ : 0u) | (got & POLLOUT ? CURFEW_WRITE : 0u);
		queue(p, p->watches[i], got & (POLLERR | POLLHUP | POLLNVAL) ? CURFEW_READ | CURFEW_WRITE : ready);
	}
	return 0;
}

static void call_watches(struct poll_loop *p)
{
	while (p->ready) {
		struct curfew_watch *w = p->ready;
		unsigned what = w->ready & w->what;
		unqueue(p, w);
		if (what)
			w->fn(w->ud, w->fd, what);
	}
}

int curfew_poll_turn(struct curfew_loop *loop, uint64_t until_ns)
{
	struct poll_loop *p = loop->loop;
	int rc = wait_for_events(p, until_ns);
	if (rc < 0)
		return rc;
	p->depth++;
	call_watches(p);
	cfw_calls_run(&p->timers, cfw_time_now());
	cfw_calls_run(&p->deferred, 0);
	if (--p->depth == 0 && p->freed)
		release(p);
	return 0;
}
