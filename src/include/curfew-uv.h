/* curfew-uv.h: an instance in a loop of libuv. The instance is one that was made with options.loop NULL. uv.h has what the C library
 * names by _GNU_SOURCE or -std=gnu11 only. */
#ifndef CURFEW_UV_H
#define CURFEW_UV_H

#include <stdlib.h>
#include <uv.h>

#include "curfew.h"

struct curfew_uv {
	uv_poll_t *poll; /* libuv's until its close callback has run */
};

static inline void curfew_uv_ready(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	curfew_step((struct curfew *)poll->data);
}

static inline void curfew_uv_closed(uv_handle_t *handle)
{
	free(handle);
}

/* From here on c does its work in loop, on whose thread alone it is used. uv_run goes on because of it. CURFEW_EINVAL: it has a loop
 * already; CURFEW_ENOMEM; CURFEW_ESYS. */
static inline int curfew_uv_attach(struct curfew_uv *a, uv_loop_t *loop, struct curfew *c)
{
	a->poll = NULL;
	if (curfew_fd(c) < 0)
		return CURFEW_EINVAL;
	uv_poll_t *poll = (uv_poll_t *)malloc(sizeof *poll);
	if (!poll)
		return CURFEW_ENOMEM;
	if (uv_poll_init(loop, poll, curfew_fd(c))) {
		free(poll);
		return CURFEW_ESYS;
	}
	poll->data = c;
	if (uv_poll_start(poll, UV_READABLE, curfew_uv_ready)) {
		uv_close((uv_handle_t *)poll, curfew_uv_closed);
		return CURFEW_ESYS;
	}
	a->poll = poll;
	return 0;
}

/* Before curfew_free; also from on_exit. The handle is freed in a later turn of the loop, as all of libuv's are: uv_run once more before
 * uv_loop_close. */
static inline void curfew_uv_detach(struct curfew_uv *a)
{
	if (a->poll) {
		uv_poll_stop(a->poll);
		uv_close((uv_handle_t *)a->poll, curfew_uv_closed);
	}
	a->poll = NULL;
}

#endif
