/* A program on libuv. */
#define _GNU_SOURCE
#include "curfew-uv.h"

#define ADAPTER struct curfew_uv
static int ticks;
static uv_loop_t *loop;
static uv_timer_t *tick;

static void on_tick(uv_timer_t *t)
{
	(void)t;
	ticks++;
}

static void *volatile inherited[2]; /* a child's: what its parent has is no leak of its own */

static void loop_open(void)
{
	inherited[0] = loop;
	inherited[1] = tick;
	loop = malloc(sizeof *loop);
	tick = malloc(sizeof *tick);
	uv_loop_init(loop);
	uv_timer_init(loop, tick);
	uv_timer_start(tick, on_tick, 5, 5);
}

static void loop_close(void)
{
	uv_close((uv_handle_t *)tick, NULL);
	uv_run(loop, UV_RUN_DEFAULT);
	if (uv_loop_close(loop))
		abort(); /* a handle of the adapter's is left */
	free(tick);
	free(loop);
}

static int loop_attach(struct curfew_uv *a, struct curfew *c)
{
	return curfew_uv_attach(a, loop, c);
}

static void loop_detach(struct curfew_uv *a)
{
	curfew_uv_detach(a);
}

static void loop_turn(void)
{
	uv_run(loop, UV_RUN_ONCE);
}

#include "suite.h"
