#include "adapters/virtual.h"

#include <stdlib.h>

#include "adapters/calls.h"
#include "base/err.h"
#include "base/time.h"

struct curfew_watch {
	struct curfew_watch *next, **prev;
};

struct virtual_loop {
	uint64_t now_ns;
	struct cfw_calls timers, deferred;
	struct curfew_watch *watches;
};

static uint64_t read_clock(void *loop)
{
	const struct virtual_loop *v = loop;
	return v->now_ns;
}

static int set_timer(void *loop, uint64_t at_ns, curfew_loop_fn *fn, void *ud)
{
	struct virtual_loop *v = loop;
	return fn ? cfw_calls_set(&v->timers, fn, ud, at_ns) : CURFEW_EINVAL;
}

static int defer(void *loop, curfew_loop_fn *fn, void *ud)
{
	struct virtual_loop *v = loop;
	return fn ? cfw_calls_defer(&v->deferred, fn, ud) : CURFEW_EINVAL;
}

static void end_watch(struct curfew_watch *w)
{
	*w->prev = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
}

static int watch(void *loop, struct curfew_watch **slot, int fd, unsigned what, curfew_watch_fn *fn, void *ud)
{
	struct virtual_loop *v = loop;
	(void)fd;
	(void)fn;
	(void)ud;
	if (!what) {
		if (*slot)
			end_watch(*slot);
		*slot = NULL;
		return 0;
	}
	if (*slot)
		return 0;
	struct curfew_watch *w = calloc(1, sizeof *w);
	if (!w)
		return CURFEW_ENOMEM;
	w->prev = &v->watches;
	w->next = v->watches;
	if (w->next)
		w->next->prev = &w->next;
	v->watches = w;
	*slot = w;
	return 0;
}

static void detach(void *loop)
{
	struct virtual_loop *v = loop;
	cfw_calls_forget(&v->timers);
	cfw_calls_forget(&v->deferred);
}

static const struct curfew_loop_ops virtual_ops = {
	.size = sizeof(struct curfew_loop_ops),
	.name = "virtual",
	.now_ns = read_clock,
	.timer = set_timer,
	.watch = watch,
	.defer = defer,
	.detach = detach,
};

int curfew_virtual_new(struct curfew_loop *out, uint64_t now_ns, struct curfew_err *err)
{
	struct virtual_loop *v = calloc(1, sizeof *v);
	if (!v)
		return cfw_err_set(err, CURFEW_ENOMEM, "no memory for a loop");
	v->now_ns = now_ns;
	*out = (struct curfew_loop){.ops = &virtual_ops, .loop = v};
	return 0;
}

void curfew_virtual_free(struct curfew_loop *loop)
{
	struct virtual_loop *v = loop->loop;
	if (!v)
		return;
	*loop = (struct curfew_loop){0};
	for (struct curfew_watch *w = v->watches, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	cfw_calls_clear(&v->timers);
	cfw_calls_clear(&v->deferred);
	free(v);
}

uint64_t curfew_virtual_now(const struct curfew_loop *loop)
{
	return read_clock(loop->loop);
}

uint64_t curfew_virtual_due(const struct curfew_loop *loop)
{
	const struct virtual_loop *v = loop->loop;
	return v->deferred.n ? v->now_ns : cfw_calls_deadline(&v->timers);
}

void curfew_virtual_turn(struct curfew_loop *loop, uint64_t at_ns)
{
	struct virtual_loop *v = loop->loop;
	if (at_ns > v->now_ns)
		v->now_ns = at_ns;
	cfw_calls_run(&v->timers, v->now_ns);
	cfw_calls_run(&v->deferred, 0);
}
