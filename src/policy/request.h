/* request.h: a conversation that a server handed over, and all that runs for it. */
#ifndef CFW_POLICY_REQUEST_H
#define CFW_POLICY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "policy/policy.h"

struct cfw_task;

/* Something more, or less, belongs to it; id may be 0 or stale. When the last has gone it is released. */
void cfw_request_hold(struct cfw_policy *p, cfw_id id);
void cfw_request_drop(struct cfw_policy *p, cfw_id id);
/* An uncaught error in what belongs to it (S6.2): 500 or the end of the connection, and a line in the log. */
void cfw_request_fail(struct cfw_policy *p, cfw_id id, const char *text, const char *trace);
size_t cfw_request_size(void); /* of an item of p->requests */
void cfw_requests_step(struct cfw_policy *p);
void cfw_requests_free(struct cfw_policy *p);

#endif
