/* curfew-glib.h: an instance in a main context of GLib. The instance is one that was made with options.loop NULL. */
#ifndef CURFEW_GLIB_H
#define CURFEW_GLIB_H

#include <glib-unix.h>

#include "curfew.h"

struct curfew_glib {
	GSource *source; /* NULL: detached */
};

static inline gboolean curfew_glib_ready(gint fd, GIOCondition what, gpointer c)
{
	(void)fd;
	(void)what;
	curfew_step((struct curfew *)c);
	return G_SOURCE_CONTINUE;
}

/* From here on c does its work in context (NULL: the default one), on whose thread alone it is used. CURFEW_EINVAL: it has a loop
 * already. */
static inline int curfew_glib_attach(struct curfew_glib *a, GMainContext *context, struct curfew *c)
{
	/* the type that GLib really calls; by way of a pointer without arguments, as g_source_set_callback would have it */
	union {
		GUnixFDSourceFunc fd;
		GSourceFunc any;
	} f = {curfew_glib_ready};
	a->source = NULL;
	if (curfew_fd(c) < 0)
		return CURFEW_EINVAL;
	a->source = g_unix_fd_source_new(curfew_fd(c), G_IO_IN);
	g_source_set_callback(a->source, f.any, c, NULL);
	g_source_attach(a->source, context);
	return 0;
}

/* Before curfew_free; also from on_exit. */
static inline void curfew_glib_detach(struct curfew_glib *a)
{
	if (a->source) {
		g_source_destroy(a->source);
		g_source_unref(a->source);
	}
	a->source = NULL;
}

#endif
