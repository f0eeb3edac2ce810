/* timers.h: many timers behind the host's one: a heap of embedded nodes.
 *
 * Whoever owns a struct cfw_timers asks _deadline, waits until then by any means, and calls _run with the time. */
#ifndef CFW_BASE_TIMERS_H
#define CFW_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cfw_timer {
	uint64_t at_ns;
	uint64_t order; /* ties: first set, first run */
	size_t pos;     /* index + 1 in the heap; 0 when not set */
	void (*fn)(struct cfw_timer *t, uint64_t now_ns, void *ud);
	void *ud;
};

struct cfw_timers {
	struct cfw_timer **heap;
	size_t n, cap;
	uint64_t orders;
	/* Called when a set made the deadline earlier, outside _run: whoever waits has to wait anew. May be NULL. */
	void (*on_earlier)(void *ud);
	void *ud;
	bool running;
};

void cfw_timers_init(struct cfw_timers *ts);
void cfw_timers_clear(struct cfw_timers *ts); /* every timer is unset; none is called */
/* Set or move; CFW_NEVER cancels. t->fn must be there. 0 or CURFEW_ENOMEM (then t is as it was). */
int cfw_timer_set(struct cfw_timers *ts, struct cfw_timer *t, uint64_t at_ns);
void cfw_timer_cancel(struct cfw_timers *ts, struct cfw_timer *t); /* fine when not set */
uint64_t cfw_timers_deadline(const struct cfw_timers *ts);         /* CFW_NEVER when empty */
/* Call what is due at now_ns; those that callbacks set anew for a time <= now_ns wait for the next _run. Returns how many ran. */
size_t cfw_timers_run(struct cfw_timers *ts, uint64_t now_ns);

#endif
