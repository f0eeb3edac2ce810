/* notify.h: a child's own NOTIFY_SOCKET (sd_notify's protocol): READY=1 and STATUS= are heard, all else is ignored, MAINPID and file
 * descriptors too (S10.2). The socket has an abstract address, so that a child under another user reaches it; who sends is
 * checked by the kernel's credentials: nobody outside the child's tree is believed. */
#ifndef CFW_HOST_NOTIFY_H
#define CFW_HOST_NOTIFY_H

struct cfw_child;
struct cfw_host;
struct cfw_notify;
struct curfew_err;

/* fn(ud) is called from the loop at READY=1, each time. name is for the log; child, name and ud outlive it. NULL and err on failure. */
struct cfw_notify *cfw_notify_new(struct cfw_host *h, const struct cfw_child *child, const char *name, void (*fn)(void *ud),
				  void *ud, struct curfew_err *err);
/* For the environment: "@…". */
const char *cfw_notify_address(const struct cfw_notify *n);
/* What STATUS= said last; "" when nothing. */
const char *cfw_notify_status(const struct cfw_notify *n);
void cfw_notify_free(struct cfw_notify *n); /* NULL is fine */

#endif
