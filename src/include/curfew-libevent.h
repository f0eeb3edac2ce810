/* curfew-libevent.h: an instance in an event base of libevent 2. The instance is one that was made with options.loop NULL. */
#ifndef CURFEW_LIBEVENT_H
#define CURFEW_LIBEVENT_H

#include <event2/event.h>

#include "curfew.h"

struct curfew_libevent {
	struct event *event;
};

static inline void curfew_libevent_ready(evutil_socket_t fd, short what, void *c)
{
	(void)fd;
	(void)what;
	curfew_step((struct curfew *)c);
}

/* From here on c does its work in base, on whose thread alone it is used. base keeps running because of it. CURFEW_EINVAL: it has a
 * loop already; CURFEW_ENOMEM. */
static inline int curfew_libevent_attach(struct curfew_libevent *a, struct event_base *base, struct curfew *c)
{
	a->event = NULL;
	if (curfew_fd(c) < 0)
		return CURFEW_EINVAL;
	a->event = event_new(base, curfew_fd(c), EV_READ | EV_PERSIST, curfew_libevent_ready, c);
	if (a->event && event_add(a->event, NULL) == 0)
		return 0;
	if (a->event)
		event_free(a->event);
	a->event = NULL;
	return CURFEW_ENOMEM;
}

/* Before curfew_free, and before the base is freed; also from on_exit. */
static inline void curfew_libevent_detach(struct curfew_libevent *a)
{
	if (a->event)
		event_free(a->event);
	a->event = NULL;
}

#endif
