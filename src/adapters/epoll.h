/* epoll.h: a loop in one descriptor: epoll(7) holds what is watched, a timer and a wake-up. For a program that watches that one
 * descriptor in whatever loop it has, and calls curfew_epoll_turn when it is readable. */
#ifndef CFW_ADAPTERS_EPOLL_H
#define CFW_ADAPTERS_EPOLL_H

#include "adapters/loop.h"

struct curfew_err;

int curfew_epoll_new(struct curfew_loop *out, struct curfew_err *err);
void curfew_epoll_free(struct curfew_loop *loop);
int curfew_epoll_fd(const struct curfew_loop *loop);       /* readable when a turn has something to do; the loop's */
uint64_t curfew_epoll_due(const struct curfew_loop *loop); /* when it is, as far as the clock says; CURFEW_NEVER */
/* Call what is ready and due; never waits. Called from within a callback it does nothing. */
void curfew_epoll_turn(struct curfew_loop *loop);

#endif
