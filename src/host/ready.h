/* ready.h: when is a child ready? ready = { tcp = ADDRESS | http = URL | exec = {…} | notify = true | delay = ns, timeout = ns,
 * interval = ns }. One struct cfw_ready while somebody waits for it. */
#ifndef CFW_HOST_READY_H
#define CFW_HOST_READY_H

#include <stdbool.h>

struct cfw_host;
struct cfw_ready;
struct cfw_value;
struct curfew_err;

/* failure NULL: it is ready. Else what is wrong: "was not ready within 2s: 127.0.0.1:1: Connection refused". Called once, from the
 * loop; cfw_ready_free may be called in it. */
typedef void cfw_ready_fn(void *ud, const char *failure);

/* Is def, the value of ready, a good one? nil is. 0, or CURFEW_EINVAL. */
int cfw_ready_check(const struct cfw_value *def, struct curfew_err *err);
/* Nothing to wait for: the child is ready when it runs. */
bool cfw_ready_at_once(const struct cfw_value *def);
bool cfw_ready_by_notify(const struct cfw_value *def);

/* server: the whole definition, for the commands of exec; it, name and ud must outlive the answer. NULL and err on failure. */
struct cfw_ready *cfw_ready_new(struct cfw_host *h, const struct cfw_value *server, const char *name, cfw_ready_fn *fn,
				void *ud, struct curfew_err *err);
/* The child has told us, by notify. */
void cfw_ready_told(struct cfw_ready *r);
void cfw_ready_free(struct cfw_ready *r); /* no answer follows; NULL is fine */

#endif
