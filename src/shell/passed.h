/* passed.h: listening sockets that whoever started this process has opened for it: LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES, as
 * sd_listen_fds(3) has them. They stay whoever's they are: what waits in one when curfew ends waits for its next start. */
#ifndef CFW_SHELL_PASSED_H
#define CFW_SHELL_PASSED_H

#include <stdbool.h>

struct cfw_listen_addr;
struct cfw_log;
struct curfew_err;

/* Look at the environment, once, and take its variables out of it, also where they are meant for another process. What is no
 * listening stream socket is left alone, with a warning. */
void cfw_passed_take(const struct cfw_log *log);
/* A descriptor of our own of the passed socket at this address, close-on-exec and non-blocking; -1: there is none. */
int cfw_passed_find(const struct cfw_listen_addr *addr);
/* The address of the nth (from 0 on) with this name, which a socket unit with several addresses gives to all of them: sa, len and dual
 * are set. Negative and err: "no socket was passed by the name x". */
int cfw_passed_named(const char *name, int nth, struct cfw_listen_addr *out, struct curfew_err *err);
/* How many have this name. */
int cfw_passed_count(const char *name);
/* All servers are started: a warning for each that none of them listens at. */
void cfw_passed_warn(const struct cfw_log *log);

#endif
