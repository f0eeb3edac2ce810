/* waits.h: what a stop waits for at this moment, one after another: for the live display and for the status. */
#ifndef CFW_VIEW_WAITS_H
#define CFW_VIEW_WAITS_H

#include <stdint.h>

#include "base/slots.h"

struct cfw_core;

struct cfw_view_wait {
	cfw_id server;               /* 0: a global hook */
	cfw_id hook;                 /* 0: the server itself */
	const char *phase;           /* "pre_stop"; "start", "stop" or "cut" for the server itself */
	const char *name, *where;    /* of the hook; may be NULL. The core's, raw bytes */
	uint64_t since_ns, until_ns; /* CFW_NEVER: nothing cuts it */
	const char *then;            /* what happens at until_ns, in a few words */
};

/* Hooks first, then servers. Nothing while no stop runs, but for the starts of servers and single stops. */
void cfw_view_waits(const struct cfw_core *core, void (*fn)(void *ud, const struct cfw_view_wait *w), void *ud);

#endif
