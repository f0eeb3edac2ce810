/* watchdog.h: two kernel timers that make S4.8 hold whatever the loop does: the first one's handler kills the process groups in
 * the page and ends the process with 255; the second, for code that blocks every signal, is a SIGKILL of the kernel's. */
#ifndef CFW_SHELL_WATCHDOG_H
#define CFW_SHELL_WATCHDOG_H

#include <stdint.h>

struct cfw_page;
struct curfew_err;

/* One a process. 0 or a negative error. */
int cfw_watchdog_open(struct cfw_page *page, struct curfew_err *err);
void cfw_watchdog_close(void);
/* Absolute monotonic time, CFW_NEVER disarms; the same value again costs nothing. Async-signal-safe. */
void cfw_watchdog_arm(uint64_t deadline_ns);
/* The signal of the first timer: nobody else may take it. */
int cfw_watchdog_signo(void);
/* End the process now as the watchdog would: groups killed, _exit(255). Async-signal-safe. */
_Noreturn void cfw_watchdog_force(void);

#endif
