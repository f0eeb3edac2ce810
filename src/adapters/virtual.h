/* virtual.h: a loop whose clock is a number: no descriptor is ever ready, and time passes by jumping to what is due next. */
#ifndef CFW_ADAPTERS_VIRTUAL_H
#define CFW_ADAPTERS_VIRTUAL_H

#include <stdint.h>

#include "adapters/loop.h"

struct curfew_err;

/* 0, or CURFEW_ENOMEM. Watches are taken and never called. */
int curfew_virtual_new(struct curfew_loop *out, uint64_t now_ns, struct curfew_err *err);
void curfew_virtual_free(struct curfew_loop *loop); /* not from within a turn; {0} is fine */
uint64_t curfew_virtual_now(const struct curfew_loop *loop);
/* When the next call is due: now or before when one is due already, CFW_NEVER when none ever is. */
uint64_t curfew_virtual_due(const struct curfew_loop *loop);
/* Jump to at_ns, never back, and make the calls that are due by then. */
void curfew_virtual_turn(struct curfew_loop *loop, uint64_t at_ns);

#endif
