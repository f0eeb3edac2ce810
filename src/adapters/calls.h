/* calls.h: the adapters' list of calls to make: at most one for each pair of function and ud, each with its time. */
#ifndef CFW_ADAPTERS_CALLS_H
#define CFW_ADAPTERS_CALLS_H

#include <stddef.h>
#include <stdint.h>

#include "adapters/loop.h"

struct cfw_call {
	curfew_loop_fn *fn;
	void *ud;
	uint64_t at_ns, order;
};

/* Zeroed is empty. Lists are short (a call an instance or a service), so they are searched from end to end. */
struct cfw_calls {
	struct cfw_call *items;
	size_t n, cap;
	uint64_t orders;
};

/* Call fn(ud) at at_ns; replaces its earlier time; CFW_NEVER takes it back. 0 or CURFEW_ENOMEM, the list unharmed. */
int cfw_calls_set(struct cfw_calls *c, curfew_loop_fn *fn, void *ud, uint64_t at_ns);
/* As _set for at once, except that a call which is pending keeps its place. */
int cfw_calls_defer(struct cfw_calls *c, curfew_loop_fn *fn, void *ud);
uint64_t cfw_calls_deadline(const struct cfw_calls *c); /* CFW_NEVER when empty */
/* Make the calls that are due, earliest first. What they set anew waits for the next _run; _forget from within ends it. */
void cfw_calls_run(struct cfw_calls *c, uint64_t now_ns);
void cfw_calls_forget(struct cfw_calls *c); /* keeps the memory */
void cfw_calls_clear(struct cfw_calls *c);  /* not from within _run */

#endif
