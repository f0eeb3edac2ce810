/* The service exec: run a command to its end, feed it, collect what it prints. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "host/internal.h"

enum { MAX_OUTPUT = 16 * 1024 * 1024, A_TURN = 256 * 1024 };

struct stream {
	struct cfw_exec *x;
	int fd;
	struct curfew_watch *watch;
	struct cfw_buf buf; /* of stdin: what is to be written */
	size_t sent;
};

struct cfw_exec {
	struct cfw_child child; /* first */
	struct cfw_host *host;
	struct cfw_exec *next;
	uint64_t token;
	bool silent;           /* cancelled: nobody is to be answered */
	struct curfew_err err; /* why it was ended early; code 0: it was not */
	uint64_t timeout_ns, max_output;
	struct cfw_timer timer;
	struct stream in, out[2];
	char *name; /* of the program, for texts */
};

static void close_stream(struct stream *s)
{
	const struct curfew_loop *loop = s->x->host->env->loop;
	if (s->watch)
		loop->ops->watch(loop->loop, &s->watch, s->fd, 0, NULL, NULL);
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

static void forget(struct cfw_exec *x)
{
	struct cfw_exec **p = &x->host->execs;
	while (*p != x)
		p = &(*p)->next;
	*p = x->next;
	cfw_timer_cancel(x->host->env->timers, &x->timer);
	struct stream *all[] = {&x->in, &x->out[0], &x->out[1]};
	for (int i = 0; i < 3; i++) {
		close_stream(all[i]);
		cfw_buf_clear(&all[i]->buf);
	}
	free(x->name);
	free(x);
}

/* End it early: the answer, once all of it is gone, will be err. */
static void give_up(struct cfw_exec *x)
{
	cfw_timer_cancel(x->host->env->timers, &x->timer);
	cfw_child_kill(&x->child);
}

static void too_much(struct cfw_exec *x)
{
	if (!x->err.code)
		cfw_err_set(&x->err, CURFEW_ELIMIT, "%s printed more than %llu bytes", x->name,
			    (unsigned long long)x->max_output);
	close_stream(&x->out[0]);
	close_stream(&x->out[1]);
	give_up(x);
}

/* Take what is there, max bytes at most. False at the end of the stream. */
static bool pump(struct stream *s, size_t max)
{
	char space[65536];
	for (size_t got = 0; got < max;) {
		ssize_t n = read(s->fd, space, sizeof space);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n <= 0)
			return false;
		got += (size_t)n;
		cfw_buf_put(&s->buf, space, (size_t)n);
		if (s->x->out[0].buf.len + s->x->out[1].buf.len > s->x->max_output) {
			too_much(s->x);
			break;
		}
	}
	return true;
}

static void on_readable(void *ud, int fd, unsigned what)
{
	(void)fd;
	(void)what;
	struct stream *s = ud;
	if (!pump(s, A_TURN))
		close_stream(s);
}

/* write(2) without the SIGPIPE that a reader who left would cause: whose process this is may not ignore it. */
static ssize_t write_quietly(int fd, const void *data, size_t n)
{
	sigset_t pipe_only, old, pending;
	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
	ssize_t k = write(fd, data, n);
	int saved = errno;
	if (k < 0 && saved == EPIPE && !sigismember(&pending, SIGPIPE))
		sigtimedwait(&pipe_only, NULL, &(struct timespec){0, 0});
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	errno = saved;
	return k;
}

static void on_writable(void *ud, int fd, unsigned what)
{
	(void)what;
	struct stream *s = ud;
	ssize_t k = write_quietly(fd, s->buf.data + s->sent, s->buf.len - s->sent);
	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k > 0)
		s->sent += (size_t)k;
	if (k < 0 || s->sent == s->buf.len) {
		close_stream(s);
		cfw_buf_clear(&s->buf);
	}
}

static void answer(struct cfw_exec *x)
{
	const struct cfw_env *env = x->host->env;
	if (!x->err.code && (x->out[0].buf.failed || x->out[1].buf.failed))
		cfw_err_set(&x->err, CURFEW_ENOMEM, "out of memory");
	if (x->err.code) {
		env->answer(env->ud, x->token, NULL, &x->err);
		return;
	}
	struct cfw_value *v = cfw_value_map();
	int e = v ? 0 : CURFEW_ENOMEM;
	if (!e && x->child.signo)
		e = cfw_value_set(v, "signal", cfw_value_int(x->child.signo));
	else if (!e)
		e = cfw_value_set(v, "code", cfw_value_int(x->child.code));
	for (int i = 0; i < 2 && !e; i++) {
		const struct cfw_buf *b = &x->out[i].buf;
		e = cfw_value_set(v, i ? "stderr" : "stdout", cfw_value_strn(b->data ? b->data : "", b->len));
	}
	if (!e) {
		env->answer(env->ud, x->token, v, NULL);
		return;
	}
	cfw_value_free(v);
	cfw_err_set(&x->err, CURFEW_ENOMEM, "out of memory");
	env->answer(env->ud, x->token, NULL, &x->err);
}

static void on_gone(struct cfw_child *c)
{
	struct cfw_exec *x = (struct cfw_exec *)c;
	for (int i = 0; i < 2 && !x->err.code && !x->silent;
	     i++) /* what it left in the pipes; who still holds them is not waited for */
		if (x->out[i].fd >= 0)
			pump(&x->out[i], (size_t)x->max_output + 1);
	if (!x->silent)
		answer(x);
	forget(x);
}

static void on_timeout(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_exec *x = ud;
	char limit[32];
	cfw_err_set(&x->err, CURFEW_ETIMEOUT, "%s did not end within %s", x->name,
		    cfw_format_duration(limit, sizeof limit, x->timeout_ns));
	give_up(x);
}

/* A pipe whose end `ours` stays here. */
static int open_pipe(struct stream *s, int ours, int *child_fd, struct curfew_err *err)
{
	int fds[2];
	if (pipe2(fds, O_CLOEXEC))
		return cfw_err_sys(err, "no pipe for %s", s->x->name);
	fcntl(fds[ours], F_SETFL, O_NONBLOCK);
	s->fd = fds[ours];
	*child_fd = fds[1 - ours];
	return 0;
}

static int open_streams(struct cfw_exec *x, const struct cfw_value *args, int fd[3], struct curfew_err *err)
{
	size_t n = 0;
	const char *data = cfw_value_bytes(cfw_value_get(args, "stdin"), &n);
	int e = 0;
	if (data && n) {
		cfw_buf_put(&x->in.buf, data, n);
		if (x->in.buf.failed)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		e = open_pipe(&x->in, 1, &fd[0], err);
	} else if ((fd[0] = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
		return cfw_err_sys(err, "cannot open /dev/null");
	if (!e)
		e = open_pipe(&x->out[0], 0, &fd[1], err);
	if (!e)
		e = open_pipe(&x->out[1], 0, &fd[2], err);
	return e;
}

static int watch(struct stream *s, unsigned what, curfew_watch_fn *fn, struct curfew_err *err)
{
	const struct curfew_loop *loop = s->x->host->env->loop;
	int e = s->fd < 0 ? 0 : loop->ops->watch(loop->loop, &s->watch, s->fd, what, fn, s);
	return e ? cfw_err_set(err, e, "cannot watch a pipe") : 0;
}

static int launch(struct cfw_exec *x, const struct cfw_value *args, struct curfew_err *err)
{
	struct cfw_launch l = {.def = args, .command = cfw_value_get(args, "command"), .name = "exec", .fd = {-1, -1, -1}};
	const char *program = cfw_value_to_str(cfw_value_at(l.command, 0), NULL);
	if (!program)
		return cfw_err_set(err, CURFEW_EINVAL, "exec needs a list of strings, the program first");
	x->name = strdup(program);
	if (!x->name)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	int e = open_streams(x, args, l.fd, err);
	if (!e)
		e = watch(&x->in, CURFEW_WRITE, on_writable, err);
	for (int i = 0; i < 2 && !e; i++)
		e = watch(&x->out[i], CURFEW_READ, on_readable, err);
	uint64_t end = cfw_time_add(cfw_host_now(x->host), x->timeout_ns);
	if (!e && cfw_timer_set(x->host->env->timers, &x->timer, end))
		e = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!e)
		e = cfw_child_launch(x->host, &x->child, &l, err);
	for (int i = 0; i < 3; i++)
		if (l.fd[i] >= 0)
			close(l.fd[i]);
	return e;
}

int cfw_exec_begin(void *ud, const struct cfw_env *env, uint64_t token, const struct cfw_value *args, struct curfew_err *err)
{
	(void)env;
	struct cfw_host *h = ud;
	struct cfw_exec *x = calloc(1, sizeof *x);
	if (!x)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	x->host = h;
	x->token = token;
	x->next = h->execs;
	h->execs = x;
	x->child.gone = on_gone;
	x->child.rest = CFW_REST_LEAVE; /* sh -c "daemon &" is its caller's wish; the host's end finds it all the same */
	x->timeout_ns = cfw_value_get_ns(args, "timeout", CFW_NEVER);
	x->max_output = (uint64_t)cfw_value_get_int(args, "max_output", MAX_OUTPUT);
	x->timer = (struct cfw_timer){.fn = on_timeout, .ud = x};
	x->in = x->out[0] = x->out[1] = (struct stream){.x = x, .fd = -1};
	int e = launch(x, args, err);
	if (e)
		forget(x);
	return e;
}

void cfw_exec_cancel(void *ud, uint64_t token)
{
	struct cfw_host *h = ud;
	struct cfw_exec *x = h->execs;
	while (x && (x->token != token || x->silent))
		x = x->next;
	if (!x)
		return;
	x->silent = true;
	give_up(x);
}

void cfw_exec_hush(struct cfw_host *h)
{
	for (struct cfw_exec *x = h->execs; x; x = x->next)
		x->silent = true;
}

void cfw_exec_free(struct cfw_host *h)
{
	for (struct cfw_exec *x = h->execs, *next; x; x = next) {
		next = x->next;
		forget(x);
	}
}
