/* curfew_load.c: what comes in from outside: policies to load, triggers to decide on. */
#define _GNU_SOURCE
#include "curfew_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

int curfew_load(struct curfew *c, const char *chunk, const char *src, size_t n, struct curfew_err *err)
{
	int rc = cfw_policy_load(c->policy, chunk, src, n, err);
	if (rc == 0) {
		c->loading++;
		cfw_wake(c);
	}
	return rc;
}

/* A regular file or a pipe, which somebody writes to. Nothing that could hold up the start for ever: a FIFO is opened as it is. */
static int open_policy(const char *path, bool *pipe, struct curfew_err *err)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st)) {
		cfw_err_sys(err, "cannot read the policy %s", path);
	} else {
		*pipe = S_ISFIFO(st.st_mode);
		if (S_ISREG(st.st_mode) || *pipe)
			return fd;
		cfw_err_set(err, CURFEW_EINVAL, "cannot read the policy %s: it is %s, no file", path,
			    S_ISDIR(st.st_mode)   ? "a directory"
			    : S_ISCHR(st.st_mode) ? "a device"
						  : "something else");
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

/* Until something comes from a pipe, for a while: who writes may not have got that far. */
static bool wait_readable(int fd)
{
	enum { PATIENCE_MS = 5000 };
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int n;
	while ((n = poll(&p, 1, PATIENCE_MS)) < 0 && errno == EINTR)
		;
	return n > 0;
}

int curfew_load_file(struct curfew *c, const char *path, struct curfew_err *err)
{
	enum { MOST = 16 << 20 };
	bool pipe = false;
	char key[4096 + 8];
	const char *from = path;
	size_t kept_n;
	snprintf(key, sizeof key, "policy:%s", path);
	const char *kept = c->opt.find_source ? c->opt.find_source(c->opt.ud, key, &from, &kept_n) : NULL;
	if (kept)
		return curfew_load(c, path, kept, kept_n, err);
	int fd = open_policy(path, &pipe, err);
	if (fd < 0)
		return err ? err->code : CURFEW_ESYS;
	size_t n = 0, cap = 0;
	char *src = NULL;
	int rc = 0;
	for (;;) {
		if (n > MOST) {
			rc = cfw_err_set(err, CURFEW_ELIMIT, "%s: a policy of more than 16 MB is no policy", path);
			break;
		}
		if (cfw_grow(&cfw_alloc_std, &src, &cap, n + 65536, 1)) {
			rc = cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", path);
			break;
		}
		ssize_t got = read(fd, src + n, cap - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN && wait_readable(fd))
			continue;
		if (got < 0 && errno == EAGAIN)
			rc = cfw_err_set(err, CURFEW_ETIMEOUT, "cannot read the policy %s: a pipe, and nothing comes from it",
					 path);
		else if (got < 0)
			rc = cfw_err_sys(err, "cannot read the policy %s", path);
		else if (got == 0 && n == 0 && pipe)
			rc = cfw_err_set(err, CURFEW_EINVAL, "cannot read the policy %s: a pipe that nobody has written to",
					 path);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	close(fd);
	if (rc == 0 && c->opt.keep_source)
		c->opt.keep_source(c->opt.ud, key, path, src, n);
	if (rc == 0)
		rc = curfew_load(c, path, src, n, err);
	free(src);
	return rc;
}

int cfw_put_trigger(struct curfew *c, struct cfw_trigger t)
{
	struct cfw_event e = {.type = CFW_EV_TRIGGER, .trigger = t};
	cfw_inbox_put(c, &e);
	return 0;
}

int curfew_signal(struct curfew *c, int signo, unsigned times)
{
	if (times > 8) /* more say nothing that eight do not */
		times = 8;
	/* The handler armed a provisional deadline when the signal came; a loop that was blocked learns of it only now */
	uint64_t provisional = atomic_load(&c->page->provisional_ns);
	uint64_t at =
		provisional == CFW_NEVER ? 0 : provisional - cfw_time_min(provisional, atomic_load(&c->page->exit_timeout_ns));
	c->undecided += times;
	for (unsigned i = 0; i < times; i++)
		cfw_put_trigger(c, (struct cfw_trigger){.kind = CFW_T_SIGNAL, .signo = signo, .at_ns = at});
	return 0;
}

int curfew_exit(struct curfew *c, int code)
{
	int low = code & 255; /* S2.18 */
	return cfw_put_trigger(c, (struct cfw_trigger){.kind = CFW_T_EXIT, .code = code != 0 && low == 0 ? 1 : low});
}

void curfew_exit_from_thread(struct curfew *c, int code)
{
	int low = code & 255;
	atomic_store(&c->thread_exit, (code != 0 && low == 0 ? 1 : low) + 1);
	curfew_wake(c);
}

int curfew_stop(struct curfew *c)
{
	return cfw_put_trigger(c, (struct cfw_trigger){.kind = CFW_T_STOP});
}

int curfew_trigger(struct curfew *c, const char *name, struct curfew_err *err)
{
	struct cfw_trigger t = {0};
	if (strncmp(name, "custom:", 7) == 0 && name[7]) {
		t.kind = CFW_T_CUSTOM;
		return cfw_curfew_policy_ops.trigger(c, &t, name, NULL);
	}
	if (cfw_trigger_parse(name, &t.kind, &t.signo))
		return cfw_err_set(err, CURFEW_ENOENT, "there is no trigger named \"%.60s\"", name);
	if (t.kind == CFW_T_CRASH || t.kind == CFW_T_CLOSED || t.kind == CFW_T_REJECTION || t.kind == CFW_T_STALL)
		return cfw_err_set(err, CURFEW_EREFUSED, "only curfew itself raises %s", name); /* S10.1 */
	return cfw_put_trigger(c, t);
}

struct cfw_decision curfew_ask(const struct curfew *c, const struct cfw_trigger *t, const char *text)
{
	return cfw_policy_ask(c->policy, t, text, NULL);
}
