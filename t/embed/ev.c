/* A program on libev. */
#define _GNU_SOURCE
#include "curfew-ev.h"

#define ADAPTER struct curfew_ev
static int ticks;
static struct ev_loop *loop;
static ev_timer tick;

static void on_tick(struct ev_loop *l, ev_timer *t, int events)
{
	(void)l, (void)t, (void)events;
	ticks++;
}

static void *volatile inherited[2]; /* a child's: what its parent has is no leak of its own */

static void loop_open(void)
{
	inherited[0] = loop;
	loop = ev_loop_new(EVFLAG_AUTO);
	tick.active = tick.pending = 0;
	tick.priority = 0;
	tick.cb = on_tick;
	ev_timer_set(&tick, 0.005, 0.005);
	ev_timer_start(loop, &tick);
}

static void loop_close(void)
{
	ev_timer_stop(loop, &tick);
	ev_loop_destroy(loop);
}

static int loop_attach(struct curfew_ev *a, struct curfew *c)
{
	return curfew_ev_attach(a, loop, c);
}

static void loop_detach(struct curfew_ev *a)
{
	curfew_ev_detach(a);
}

static void loop_turn(void)
{
	ev_run(loop, EVRUN_ONCE);
}

#include "suite.h"
