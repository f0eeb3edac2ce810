/* health.h: what an orchestrator, a balancer or a monitor asks: GET /healthz (200 while the loop turns), GET /readyz (200, or 503 and why
 * not), GET /metrics (for Prometheus). It is no server of the instance: nothing waits for it, and it answers until the process ends
 * (S9.1). Bounded as the control API is: how many connections, how large a request, how long it may take. */
#ifndef CFW_SHELL_HEALTH_H
#define CFW_SHELL_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

struct cfw_buf;
struct cfw_health;
struct cfw_log;
struct cfw_value;
struct curfew_err;
struct event_base;

struct cfw_health_ops {
	/* May traffic come? If not it writes one line to why, without an end of line. */
	bool (*ready)(void *ud, char *why, size_t n);
	void (*told)(void *ud); /* somebody was told that it may not; may be NULL */
	void (*metrics)(void *ud, struct cfw_buf *out);
};

/* Listen on base at once; listen: as cfw_listen_parse has it. NULL and err: "health: cannot listen on 127.0.0.1:80: Address already
 * in use". ops and ud outlive it. */
struct cfw_health *cfw_health_open(struct event_base *base, const struct cfw_value *listen, const struct cfw_log *log,
				   const struct cfw_health_ops *ops, void *ud, struct curfew_err *err);
/* Removes its unix sockets. NULL is fine. Before base is freed; not from within an op. */
void cfw_health_close(struct cfw_health *h);
/* Was it opened for exactly this? h may be NULL. */
bool cfw_health_listens_on(const struct cfw_health *h, const struct cfw_value *listen);
const char *cfw_health_address(const struct cfw_health *h); /* where it really listens; joined by ", " */

#endif
