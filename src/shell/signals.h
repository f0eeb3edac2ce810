/* signals.h: a signal handler of our own (S2.19): it counts in the page, arms a provisional deadline and wakes the loop, whether or
 * not the loop turns. One owner a process. */
#ifndef CFW_SHELL_SIGNALS_H
#define CFW_SHELL_SIGNALS_H

#include <stdbool.h>

#include "adapters/loop.h"

struct cfw_page;
struct curfew_err;
struct cfw_signals;

/* Called on the loop, once a signal number that came in since, with how often it was delivered. */
typedef void cfw_signal_fn(void *ud, int signo, unsigned times);

/* SIGPIPE and SIGXFSZ (a log that may not grow) are ignored, SIGCHLD is caught. NULL and err when another owner lives or a call failed. */
struct cfw_signals *cfw_signals_new(const struct curfew_loop *loop, struct cfw_page *page, cfw_signal_fn *fn, void *ud,
				    struct curfew_err *err);
/* Give every disposition back as it was found; idempotent with NULL. */
void cfw_signals_free(struct cfw_signals *s);
/* Catch one more; stopping: it arms the provisional deadline. Again with another value changes that. keep_ignored: leave it
 * when it was inherited as ignored (S2.2). 0 or a negative error (SIGKILL, SIGSTOP). */
int cfw_signals_catch(struct cfw_signals *s, int signo, bool stopping, bool keep_ignored, struct curfew_err *err);
/* Arm the watchdog for what the page says: the deadline, with a moment for a loop that turns to end by itself, or a provisional one.
 * decided: the loop has decided on every signal that it was handed: a provisional deadline is taken back first. */
/* Those that are caught: whoever blocked them, they are let through. */
void cfw_signals_unblock(const struct cfw_signals *s);
void cfw_signals_rearm(struct cfw_signals *s, bool decided);
/* In a child between fork and exec: default dispositions, empty mask, async-signal-safe. */
void cfw_signals_reset_child(void);

#endif
