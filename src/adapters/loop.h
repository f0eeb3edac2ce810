/* loop.h: a host's event loop as five operations. The loop belongs to the host; nobody else runs it.
 *
 * Every operation may fail (negative CURFEW_E…) and every one is idempotent where that has a meaning. All on one thread, save
 * wake, which is safe from a signal handler and from any thread. Callbacks come from the loop, never from within an operation. */
#ifndef CFW_ADAPTERS_LOOP_H
#define CFW_ADAPTERS_LOOP_H

#include <stddef.h>
#include <stdint.h>

enum curfew_io { CURFEW_READ = 1, CURFEW_WRITE = 2 };

struct curfew_watch; /* the adapter's; one a watched descriptor */

typedef void curfew_loop_fn(void *ud);
typedef void curfew_watch_fn(void *ud, int fd, unsigned what);

struct curfew_loop_ops {
	size_t size; /* sizeof(struct curfew_loop_ops) as the adapter was compiled: what is past it is absent */
	const char *name;
	/* Monotonic nanoseconds. Need not be cached: each call may read the clock. */
	uint64_t (*now_ns)(void *loop);
	/* The one timer of fn: call fn(ud) once at at_ns or soon after; CFW_NEVER takes it back; a new call replaces the old time. */
	int (*timer)(void *loop, uint64_t at_ns, curfew_loop_fn *fn, void *ud);
	/* Watch fd while what (bits of enum curfew_io, level-triggered) is not 0. *w NULL makes a watch, else changes it; what 0 ends
	 * it and sets *w NULL, after which fn is never called again, even when this turn had it queued. fd stays the caller's; end the
	 * watch before closing it. */
	int (*watch)(void *loop, struct curfew_watch **w, int fd, unsigned what, curfew_watch_fn *fn, void *ud);
	/* Call fn(ud) once, in this or the next turn, not from within this call. Asked for again while pending: still once. */
	int (*defer)(void *loop, curfew_loop_fn *fn, void *ud);
	/* Forget timer, watches and deferred calls. Nothing is called afterwards. */
	void (*detach)(void *loop);
};

struct curfew_loop {
	const struct curfew_loop_ops *ops;
	void *loop;
};

#endif
