/* A program on libevent. */
#define _GNU_SOURCE
#include "curfew-libevent.h"

#define ADAPTER struct curfew_libevent
static int ticks;
static struct event_base *base;
static struct event *tick;

static void on_tick(evutil_socket_t fd, short what, void *ud)
{
	(void)fd, (void)what, (void)ud;
	ticks++;
}

static void *volatile inherited[2]; /* a child's: what its parent has is no leak of its own */

static void loop_open(void)
{
	static const struct timeval each = {0, 5000};
	inherited[0] = base;
	inherited[1] = tick;
	base = event_base_new();
	tick = event_new(base, -1, EV_PERSIST, on_tick, NULL);
	event_add(tick, &each);
}

static void loop_close(void)
{
	event_free(tick);
	event_base_free(base);
}

static int loop_attach(struct curfew_libevent *a, struct curfew *c)
{
	return curfew_libevent_attach(a, base, c);
}

static void loop_detach(struct curfew_libevent *a)
{
	curfew_libevent_detach(a);
}

static void loop_turn(void)
{
	event_base_loop(base, EVLOOP_ONCE);
}

#include "suite.h"
