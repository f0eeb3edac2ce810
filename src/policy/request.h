/* request.h: a conversation that a server handed over, and all that runs for it. */
#ifndef CFW_POLICY_REQUEST_H
#define CFW_POLICY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "policy/policy.h"

struct cfw_exchange;

/* In slots: ids outlive it, pointers to it do not outlive a cfw_slots_new. */
struct cfw_conversation {
	struct cfw_exchange *x; /* NULL: the client is gone */
	size_t live;            /* tasks, timers and rejections that belong to it */
	uint64_t cpu_ns;        /* spent by what ran for it (S6.5) */
	uint32_t slices;        /* that it took */
	bool worn;              /* a limit of the whole request has ended it: what follows is no news */
	int64_t memory;         /* charged to what ran for it (S6.5) */
	bool begun, ended;      /* a reply was begun; nothing more is owed */
	bool held;              /* x:hold(): may outlive its tasks */
	cfw_id server;
	int64_t ref;
};

struct cfw_conversation *cfw_request_get(const struct cfw_policy *p, cfw_id id); /* NULL when it is over */
void cfw_request_settle(struct cfw_policy *p, cfw_id id);                        /* release it if nothing is left of it */
void cfw_push_exchange(lua_State *L, cfw_id id);
/* Something more, or less, belongs to it; id may be 0 or stale. When the last has gone it is released. */
void cfw_request_hold(struct cfw_policy *p, cfw_id id);
void cfw_request_drop(struct cfw_policy *p, cfw_id id);
/* An uncaught error in what belongs to it (S6.2): 500 or the end of the connection, and a line in the log. limit: it was one that
 * a limit raised, of CPU, memory or stack, and is counted as such. */
void cfw_request_fail(struct cfw_policy *p, cfw_id id, const char *text, const char *trace, bool limit);
/* The same for a limit of the whole request: all that runs for it, or would, is ended. Not from within a slice. */
void cfw_request_wear_out(struct cfw_policy *p, cfw_id id, const char *text, const char *trace);
/* A slice for it has taken so much; true: that was the last that it may have. */
bool cfw_request_charge(struct cfw_policy *p, cfw_id id, uint64_t cpu_ns);
const struct cfw_counts *cfw_request_counts(const struct cfw_policy *p, cfw_id server); /* NULL: none failed */
void cfw_requests_step(struct cfw_policy *p);
void cfw_requests_free(struct cfw_policy *p);

#endif
