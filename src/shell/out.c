#define _GNU_SOURCE
#include "shell/out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

void cfw_out_init(struct cfw_out *o, int fd)
{
	*o = (struct cfw_out){.fd = fd, .own = -1};
	if (!isatty(fd))
		return;
	/* poll calls a terminal writable as soon as there is room for one byte; a blocking write would wait for the rest. */
	char path[40];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	o->own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

void cfw_out_clear(struct cfw_out *o)
{
	if (o->own >= 0)
		close(o->own);
	o->own = -1;
}

static bool wait_writable(int fd, uint64_t until_ns)
{
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	for (;;) {
		uint64_t left = cfw_time_left(cfw_time_now(), until_ns);
		int rc = poll(&p, 1, (int)((left + CFW_MS - 1) / CFW_MS));
		if (rc >= 0 || errno != EINTR)
			return rc > 0;
	}
}

/* POLLOUT on a pipe promises PIPE_BUF bytes. */
static ssize_t put_chunk(int fd, const char *data, size_t n)
{
	ssize_t done;
	do
		done = write(fd, data, n < PIPE_BUF ? n : PIPE_BUF);
	while (done < 0 && errno == EINTR);
	return done;
}

struct guard {
	sigset_t pending, before;
};

static void block_sigpipe(struct guard *g)
{
	sigset_t pipe_only;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&g->pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &g->before);
}

/* One that our write raised is taken away; one that was pending before is not ours. */
static void unblock_sigpipe(const struct guard *g, bool raised)
{
	sigset_t pipe_only;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	if (raised && !sigismember(&g->pending, SIGPIPE))
		while (sigtimedwait(&pipe_only, NULL, &(struct timespec){0}) < 0 && errno == EINTR)
			;
	pthread_sigmask(SIG_SETMASK, &g->before, NULL);
}

ssize_t cfw_out_put(const struct cfw_out *o, const void *data, size_t n, int wait_ms)
{
	int fd = o->own >= 0 ? o->own : o->fd;
	uint64_t until = cfw_time_now() + (uint64_t)wait_ms * CFW_MS;
	size_t done = 0;
	int error = 0;
	struct guard guard;
	if (!o->no_sigpipe)
		block_sigpipe(&guard);
	while (done < n && wait_writable(fd, until)) {
		ssize_t put = put_chunk(fd, (const char *)data + done, n - done);
		if (put > 0) {
			done += (size_t)put;
		} else if (errno != EAGAIN || cfw_time_now() >= until) {
			error = errno == EAGAIN ? 0 : errno;
			break;
		}
	}
	if (!o->no_sigpipe)
		unblock_sigpipe(&guard, error == EPIPE);
	errno = error;
	return error && done == 0 ? -1 : (ssize_t)done;
}
