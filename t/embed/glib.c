/* A program on GLib, in a main context of its own. */
#define _GNU_SOURCE
#include "curfew-glib.h"

#define ADAPTER struct curfew_glib
static int ticks;
static GMainContext *context;
static GSource *tick;

static gboolean on_tick(gpointer ud)
{
	(void)ud;
	ticks++;
	return G_SOURCE_CONTINUE;
}

static void *volatile inherited[2]; /* a child's: what its parent has is no leak of its own */

static void loop_open(void)
{
	inherited[0] = context;
	inherited[1] = tick;
	context = g_main_context_new();
	tick = g_timeout_source_new(5);
	g_source_set_callback(tick, on_tick, NULL, NULL);
	g_source_attach(tick, context);
}

static void loop_close(void)
{
	g_source_destroy(tick);
	g_source_unref(tick);
	g_main_context_unref(context);
}

static int loop_attach(struct curfew_glib *a, struct curfew *c)
{
	return curfew_glib_attach(a, context, c);
}

static void loop_detach(struct curfew_glib *a)
{
	curfew_glib_detach(a);
}

static void loop_turn(void)
{
	g_main_context_iteration(context, TRUE);
}

#include "suite.h"
