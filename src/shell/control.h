/* control.h: the control API: HTTP/1.1 and JSON on a unix socket, see curfew-control(7). It is no server of the instance: nothing
 * waits for it, and it answers at every moment of a stop, until the process ends. */
#ifndef CFW_SHELL_CONTROL_H
#define CFW_SHELL_CONTROL_H

#include <stdbool.h>

struct cfw_buf;
struct cfw_control;
struct cfw_log;
struct cfw_value;
struct curfew;
struct curfew_err;
struct event_base;

/* One a run; nothing is open yet. curfew: where the instance is found, once there is one. NULL when memory is gone. */
struct cfw_control *cfw_control_new(struct event_base *base, const struct cfw_log *log, struct curfew *const *curfew);
/* Where GET /v1/metrics comes from; ud outlives ctl. */
void cfw_control_metrics(struct cfw_control *ctl, void (*metrics)(void *ud, struct cfw_buf *out), void *ud);
/* Before base is freed. NULL is fine. */
void cfw_control_free(struct cfw_control *ctl);

/* conf: a path, { path =, group = } or NULL: none. Opens the new socket beside the old one, if it is another; 0, or a negative error
 * and nothing has changed. Then either _commit, which closes the old one, or _rollback. The socket is born private: 0600, or 0660
 * and the group's (S10.1). */
int cfw_control_prepare(struct cfw_control *ctl, const struct cfw_value *conf, struct curfew_err *err);
void cfw_control_commit(struct cfw_control *ctl);
void cfw_control_rollback(struct cfw_control *ctl);
const char *cfw_control_address(const struct cfw_control *ctl); /* NULL: it is off */

/* The journal has grown: streams are told. */
void cfw_control_journal(struct cfw_control *ctl);
/* The process ends with code, now: who waits for it is told, as far as that can be done without waiting; the socket is removed. */
void cfw_control_end(struct cfw_control *ctl, int code);

#endif
