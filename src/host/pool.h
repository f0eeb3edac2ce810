/* pool.h: a few threads for what may block: file operations. They start at the first job, with every signal blocked. */
#ifndef CFW_HOST_POOL_H
#define CFW_HOST_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct cfw_host;
struct cfw_value;

struct cfw_job {
	/* On a thread of the pool: do it, set value or err. */
	void (*run)(struct cfw_job *j);
	void (*free)(struct cfw_job *j); /* on the loop's thread */
	uint64_t token;
	struct cfw_value *value;
	struct curfew_err err; /* code 0: it went well */
	/* The pool's. */
	atomic_bool cancelled;
	int stop_fd;               /* becomes readable when the pool ends */
	struct cfw_job *next;      /* in the queue, then among the finished */
	struct cfw_job *next_open; /* among all that were not answered */
};

/* The token is answered with value or err when it was run. 0, or a negative error: the job is still the caller's. */
int cfw_pool_submit(struct cfw_host *h, struct cfw_job *j, struct curfew_err *err);
/* No answer follows. Unknown token: nothing. */
void cfw_pool_cancel(struct cfw_host *h, uint64_t token);
/* In run: wait until fd may be read or written (events as poll's). False: give up, errno says why. */
bool cfw_job_wait(struct cfw_job *j, int fd, short events);

#endif
