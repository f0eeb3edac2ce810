/* poll.h: poll(2) as a curfew_loop: the proof that no event library is needed, and the loop of last resort at exit(3). */
#ifndef CFW_ADAPTERS_POLL_H
#define CFW_ADAPTERS_POLL_H

#include "adapters/loop.h"

struct curfew_err;

int curfew_poll_new(struct curfew_loop *out, struct curfew_err *err);
void curfew_poll_free(struct curfew_loop *loop);
/* One turn: wait for what is watched, the timer or a deferred call, at most until until_ns (CFW_NEVER: no limit), and call what
 * is due. 0, or a negative error when poll(2) failed for another reason than a signal. */
int curfew_poll_turn(struct curfew_loop *loop, uint64_t until_ns);

#endif
