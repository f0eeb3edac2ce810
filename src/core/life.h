/* life.h: the life of the manager (S3) as a table of state x event. */
#ifndef CFW_CORE_LIFE_H
#define CFW_CORE_LIFE_H

#include "core/core.h"

enum cfw_life_event {
	CFW_LE_START,      /* servers are being started */
	CFW_LE_READY,      /* the start is over */
	CFW_LE_STOP,       /* the first stopping decision */
	CFW_LE_SETTLED,    /* nothing is starting any more */
	CFW_LE_PRESTOPPED, /* every pre_stop hook has ended */
	CFW_LE_END,        /* the stop is over: all well */
	CFW_LE_END_FLAWED, /* a hook failed, or a server died */
	CFW_LE_END_CUT,    /* the margin or the exit timeout cut something */
	CFW_LE_KILL,
	CFW_LE_CANCEL, /* the stop was taken back */
	CFW_LIFE_EVENTS
};

/* The state after event; the same state where the event means nothing there. */
enum cfw_life cfw_life_after(enum cfw_life life, enum cfw_life_event event);

#endif
