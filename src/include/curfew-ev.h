/* curfew-ev.h: an instance in a loop of libev. The instance is one that was made with options.loop NULL. */
#ifndef CURFEW_EV_H
#define CURFEW_EV_H

#include <ev.h>

#include "curfew.h"

struct curfew_ev {
	struct ev_loop *loop; /* NULL: detached */
	ev_io io;             /* libev's while attached: it must not move */
};

static inline void curfew_ev_ready(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	curfew_step((struct curfew *)io->data);
}

/* From here on c does its work in loop, on whose thread alone it is used. ev_run goes on because of it. CURFEW_EINVAL: it has a loop
 * already. */
static inline int curfew_ev_attach(struct curfew_ev *a, struct ev_loop *loop, struct curfew *c)
{
	a->loop = NULL;
	if (curfew_fd(c) < 0)
		return CURFEW_EINVAL;
	a->loop = loop;
	/* ev_io_init breaks C's aliasing rules by itself: what it does, one by one */
	a->io.active = a->io.pending = 0;
	a->io.priority = 0;
	a->io.cb = curfew_ev_ready;
	a->io.data = c;
	ev_io_set(&a->io, curfew_fd(c), EV_READ);
	ev_io_start(loop, &a->io);
	return 0;
}

/* Before curfew_free, and before the loop is destroyed; also from on_exit. */
static inline void curfew_ev_detach(struct curfew_ev *a)
{
	if (a->loop)
		ev_io_stop(a->loop, &a->io);
	a->loop = NULL;
}

#endif
