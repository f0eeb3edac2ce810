/* accept.h: the listeners of one server on the loop, and what they do when accept fails, most often for want of descriptors: a
 * listener stays readable then, and the loop would spin, so that all of them rest for a moment. */
#ifndef CFW_SHELL_ACCEPT_H
#define CFW_SHELL_ACCEPT_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

struct cfw_log;
struct event_base;
struct evconnlistener;

struct cfw_accept {
	const char *name; /* of the server, for the log */
	const struct cfw_log *log;
	void (*resumed)(void *ud); /* the rest is over, before anything is accepted; NULL: accept again */
	void *ud;
	struct evconnlistener **on; /* n, owned by whom they were made for; NULL where there is none */
	int n;
	struct event resume;
	bool failed; /* they rest */
	uint64_t errors;
	uint64_t again_ns;                 /* failures are logged so far apart at least; 0: 10 s */
	uint64_t logged_ns, logged_errors; /* when last, and how many there had been; 0: never */
};

/* Of n listeners, none yet. name, log, resumed and ud are the caller's to set before. 0 or CURFEW_ENOMEM. errors stays. */
int cfw_accept_init(struct cfw_accept *a, struct event_base *base, int n);
void cfw_accept_clear(struct cfw_accept *a); /* idempotent; frees no listener */
/* The i-th is l from now on, or NULL: it is being closed. l's other callbacks and argument are its maker's. */
void cfw_accept_watch(struct cfw_accept *a, int i, struct evconnlistener *l);
void cfw_accept_enable(struct cfw_accept *a, bool on);

#endif
