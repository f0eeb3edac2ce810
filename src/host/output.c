#define _GNU_SOURCE
#include "host/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/err.h"
#include "base/log.h"
#include "host/internal.h"

enum {
	LINE = 8192,             /* longer lines are logged in pieces */
	A_TURN = 64 * 1024,      /* bytes taken at once: a flood must not keep the loop */
	LAST_DRAIN = 1024 * 1024 /* bytes taken at the end, when the writer is gone or is being ignored */
};

struct cfw_output {
	struct cfw_host *host;
	struct curfew_watch *watch;
	const char *name, *stream;
	int fd;
	size_t len;
	char last[200];
	char line[LINE + 1];
};

static const char *const stream_names[] = {"stdin", "stdout", "stderr"};

int cfw_output_check(int stream, const char *spec, struct curfew_err *err)
{
	if (!strcmp(spec, "inherit") || !strcmp(spec, "null"))
		return 0;
	if (stream == 0)
		return cfw_err_set(err, CURFEW_EINVAL, "stdin is \"null\" or \"inherit\", not \"%s\"", spec);
	if (!strcmp(spec, "log") || (!strncmp(spec, "file:", 5) && spec[5]))
		return 0;
	return cfw_err_set(err, CURFEW_EINVAL, "%s is \"inherit\", \"log\", \"null\" or \"file:/path\", not \"%s\"",
			   stream_names[stream], spec);
}

static void emit(struct cfw_output *o)
{
	size_t n = o->len;
	while (n && o->line[n - 1] == '\r')
		n--;
	o->line[n] = '\0';
	o->len = 0;
	for (size_t i = 0; i < n; i++) /* a NUL would cut the line in the sink */
		if (!o->line[i])
			o->line[i] = ' ';
	if (!n)
		return;
	size_t keep = n < sizeof o->last ? n : sizeof o->last - 1;
	memcpy(o->last, o->line, keep);
	o->last[keep] = '\0';
	cfw_log_with(o->host->env->log, CFW_INFO, o->line, "server", o->name, "stream", o->stream, NULL);
}

static void take(struct cfw_output *o, const char *data, size_t n)
{
	while (n) {
		const char *nl = memchr(data, '\n', n);
		size_t part = nl ? (size_t)(nl - data) : n, room = LINE - o->len;
		size_t fits = part < room ? part : room;
		memcpy(o->line + o->len, data, fits);
		o->len += fits;
		data += fits;
		n -= fits;
		if (fits == part && nl) {
			data++;
			n--;
			emit(o);
		} else if (o->len == LINE)
			emit(o);
	}
}

static void unwatch(struct cfw_output *o)
{
	const struct curfew_loop *loop = o->host->env->loop;
	if (o->watch)
		loop->ops->watch(loop->loop, &o->watch, o->fd, 0, NULL, NULL);
}

/* At most max bytes. False at the end of the stream. */
static bool pump(struct cfw_output *o, size_t max)
{
	char space[16384];
	for (size_t got = 0; got < max;) {
		ssize_t n = read(o->fd, space, sizeof space);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return true;
		if (n <= 0)
			return false;
		take(o, space, (size_t)n);
		got += (size_t)n;
	}
	return true;
}

static void on_readable(void *ud, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	struct cfw_output *o = ud;
	if (!pump(o, A_TURN))
		unwatch(o);
}

static int open_log(struct cfw_host *h, int stream, const char *name, int *child_fd, struct cfw_output **out,
		    struct curfew_err *err)
{
	const struct curfew_loop *loop = h->env->loop;
	int fds[2];
	struct cfw_output *o = malloc(sizeof *o);
	if (!o)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (pipe2(fds, O_CLOEXEC)) {
		free(o);
		return cfw_err_sys(err, "no pipe for %s", stream_names[stream]);
	}
	o->host = h;
	o->watch = NULL;
	o->name = name;
	o->stream = stream_names[stream];
	o->fd = fds[0];
	o->len = 0;
	o->last[0] = '\0';
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	int e = loop->ops->watch(loop->loop, &o->watch, o->fd, CURFEW_READ, on_readable, o);
	if (e) {
		close(fds[0]);
		close(fds[1]);
		free(o);
		return cfw_err_set(err, e, "cannot watch %s", stream_names[stream]);
	}
	*child_fd = fds[1];
	*out = o;
	return 0;
}

int cfw_output_open(struct cfw_host *h, int stream, const char *spec, const char *name, int *child_fd, struct cfw_output **out,
		    struct curfew_err *err)
{
	*child_fd = -1;
	if (!strcmp(spec, "inherit"))
		return 0;
	if (!strcmp(spec, "log"))
		return open_log(h, stream, name, child_fd, out, err);
	bool null = !strcmp(spec, "null");
	const char *path = null ? "/dev/null" : spec + 5;
	/* Not blocking: a FIFO without a reader is an error, not a hang. */
	int flags = stream == 0 ? O_RDONLY : null ? O_WRONLY : O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK;
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0644);
	if (fd < 0)
		return cfw_err_sys(err, "cannot open %s for %s", path, stream_names[stream]);
	if (flags & O_NONBLOCK)
		fcntl(fd, F_SETFL, flags & O_APPEND);
	*child_fd = fd;
	return 0;
}

void cfw_output_drain(struct cfw_output *o)
{
	if (o)
		pump(o, LAST_DRAIN);
}

const char *cfw_output_last(const struct cfw_output *o)
{
	return o ? o->last : "";
}

void cfw_output_free(struct cfw_output *o)
{
	if (!o)
		return;
	pump(o, LAST_DRAIN);
	emit(o);
	unwatch(o);
	close(o->fd);
	free(o);
}
