/* sd.h: what systemd is told while curfew runs, as sd_notify(3) has it: READY, RELOADING, STOPPING, STATUS with what is waited for,
 * EXTEND_TIMEOUT_USEC as the deadline moves, WATCHDOG while the loop turns. Under a guardian, who is the service's main process, it is
 * the guardian that sends. Nothing of all this where NOTIFY_SOCKET and WATCHDOG_USEC are not set. */
#ifndef CFW_SHELL_SD_H
#define CFW_SHELL_SD_H

#include <stdbool.h>
#include <stddef.h>

struct cfw_journal_entry;
struct cfw_link;
struct cfw_sd;
struct curfew;
struct event_base;

/* One datagram of lines to the socket at address ("/path" or "@abstract"). 0 or an errno: a full queue is EAGAIN. */
int cfw_sd_send(const char *address, const char *text, size_t n);

/* Reads NOTIFY_SOCKET and the WATCHDOG_ variables and takes them out of the environment: children are not to speak for us (S10.2).
 * link, and what *curfew is once it is made, outlive it. NULL: nobody wants to be told, or there is no memory; then what follows does
 * nothing. */
struct cfw_sd *cfw_sd_new(struct event_base *base, const struct cfw_link *link, struct curfew *const *curfew);
void cfw_sd_free(struct cfw_sd *sd);
void cfw_sd_journal(struct cfw_sd *sd, const struct cfw_journal_entry *e); /* each entry of the core's journal */
void cfw_sd_reload(struct cfw_sd *sd, bool over);                          /* of the policy */

#endif
