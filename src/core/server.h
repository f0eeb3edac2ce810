/* server.h: the life of a server as a table of state x event; what a cell does is a function in up.c or down.c. */
#ifndef CFW_CORE_SERVER_H
#define CFW_CORE_SERVER_H

#include "core/core.h"

enum cfw_server_event {
	CFW_SE_WANT,    /* it is to be started */
	CFW_SE_GO,      /* all that it depends on is started */
	CFW_SE_HOOKS,   /* the hooks of its phase are done */
	CFW_SE_BAD,     /* a start hook failed */
	CFW_SE_READY,   /* CFW_EV_SERVER_STARTED */
	CFW_SE_FAIL,    /* CFW_EV_SERVER_START_FAILED */
	CFW_SE_CLOSED,  /* it has ended by itself */
	CFW_SE_GONE,    /* CFW_EV_SERVER_STOPPED */
	CFW_SE_STOP,    /* it is to be stopped */
	CFW_SE_RELEASE, /* all that depends on it is at rest */
	CFW_SE_ABORT,   /* its pre_stop hooks, all at once; nothing else is waited for (S4.2) */
	CFW_SE_CUT,     /* it is to be cut off now (S4.7, end of an abort) */
	CFW_SE_TIME,    /* its own limit has passed */
	CFW_SERVER_EVENTS
};

enum cfw_server_do {
	CFW_DO_BUG, /* cannot happen: not said by the table */
	CFW_DO_NOTHING,
	CFW_DO_LATE, /* an answer that nobody waits for */
	CFW_DO_WAIT,
	CFW_DO_GO,
	CFW_DO_LAUNCH,
	CFW_DO_READY,
	CFW_DO_UP,
	CFW_DO_FAIL,
	CFW_DO_FAIL_GONE,
	CFW_DO_FAIL_LATE,
	CFW_DO_CLOSED,
	CFW_DO_RETRY,
	CFW_DO_AGAIN,
	CFW_DO_GIVE_UP,
	CFW_DO_STOP_LATER,
	CFW_DO_HOLD,
	CFW_DO_OVERRIDE,
	CFW_DO_RELEASE,
	CFW_DO_PRE_STOPPED,
	CFW_DO_GONE,
	CFW_DO_DIED,
	CFW_DO_FAILED_GONE,
	CFW_DO_DIED_STOPPING,
	CFW_DO_OWN_CUT,
	CFW_DO_ABORT,
	CFW_DO_CUT,
	CFW_DO_FINISH,
	CFW_SERVER_DOS
};

enum cfw_server_do cfw_server_cell(enum cfw_server_state state, enum cfw_server_event event);

struct cfw_server;
typedef void cfw_server_fn(struct cfw_core *c, struct cfw_server *s, const struct cfw_event *ev);

/* up.c */
cfw_server_fn cfw_do_wait, cfw_do_go, cfw_do_launch, cfw_do_ready, cfw_do_up, cfw_do_fail, cfw_do_fail_gone, cfw_do_fail_late,
	cfw_do_closed, cfw_do_retry;
/* Take down what a failed start left, without hooks; then it becomes after (enum cfw_after). */
void cfw_server_unwind(struct cfw_core *c, struct cfw_server *s, int after);
void cfw_server_unwound(struct cfw_core *c, struct cfw_server *s);
/* down.c */
cfw_server_fn cfw_do_again, cfw_do_give_up, cfw_do_stop_later, cfw_do_hold, cfw_do_override, cfw_do_release, cfw_do_pre_stopped,
	cfw_do_gone, cfw_do_died, cfw_do_failed_gone, cfw_do_died_stopping, cfw_do_own_cut, cfw_do_abort, cfw_do_cut,
	cfw_do_finish;
/* CFW_ACT_STOP and its limit; the server is alive. */
void cfw_server_drain(struct cfw_core *c, struct cfw_server *s);

#endif
