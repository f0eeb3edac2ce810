/* libevent.h: a struct event_base as a curfew_loop. */
#ifndef CFW_ADAPTERS_LIBEVENT_H
#define CFW_ADAPTERS_LIBEVENT_H

#include "adapters/loop.h"

struct event_base;
struct curfew_err;

/* base is the host's and must outlive the adapter. 0 and *out, or a negative error. End it with _free, which detaches. */
int curfew_libevent_new(struct event_base *base, struct curfew_loop *out, struct curfew_err *err);
void curfew_libevent_free(struct curfew_loop *loop);

#endif
