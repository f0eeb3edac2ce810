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

/* What was loaded is loaded again by a reload: a file by its name, or a text. */
static int remember(struct curfew *c, const char *name, const char *src, size_t n, struct curfew_err *err)
{
	struct cfw_load load = {.name = strdup(name), .src = src ? malloc(n + 1) : NULL, .n = n};
	if (!load.name || (src && !load.src) ||
	    cfw_grow(&cfw_alloc_std, &c->loads, &c->loads_cap, c->nloads + 1, sizeof *c->loads)) {
		free(load.name);
		free(load.src);
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", name);
	}
	if (src)
		memcpy(load.src, src, n);
	c->loads[c->nloads++] = load;
	return 0;
}

static int load(struct curfew *c, const char *chunk, const char *src, size_t n, struct curfew_err *err)
{
	int rc = cfw_policy_load(c->policy, chunk, src, n, err);
	if (rc == 0) {
		c->loading++;
		cfw_wake(c);
	}
	return rc;
}

static int over(const struct curfew *c, const char *call, struct curfew_err *err)
{
	return c->ended ? cfw_err_set(err, CURFEW_ESTATE, "%s: it has ended", call) : 0;
}

int curfew_load(struct curfew *c, const char *chunk, const char *src, size_t n, struct curfew_err *err)
{
	if (!chunk || !src)
		return cfw_err_set(err, CURFEW_EINVAL, "curfew_load: no text, or no name for it");
	int rc = over(c, "curfew_load", err);
	if (rc == 0)
		rc = load(c, chunk, src, n, err);
	return rc ? rc : remember(c, chunk, src, n, err);
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

/* All of it, malloc. 0 or a negative error. again: for a reload, which waits for nobody. */
static int read_policy(const char *path, bool again, char **out, size_t *out_n, struct curfew_err *err)
{
	enum { MOST = 16 << 20 };
	bool pipe = false;
	int fd = open_policy(path, &pipe, err);
	if (fd < 0)
		return err ? err->code : CURFEW_ESYS;
	if (pipe && again) {
		close(fd);
		return cfw_err_set(err, CURFEW_EINVAL, "cannot read the policy %s again: it is a pipe", path);
	}
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
	if (rc) {
		free(src);
		return rc;
	}
	*out = src;
	*out_n = n;
	return 0;
}

int curfew_load_file(struct curfew *c, const char *path, struct curfew_err *err)
{
	char key[4096 + 8], *own = NULL;
	const char *from = path;
	size_t n = 0;
	if (!path)
		return cfw_err_set(err, CURFEW_EINVAL, "curfew_load_file: no path");
	int rc = over(c, "curfew_load_file", err);
	if (rc)
		return rc;
	snprintf(key, sizeof key, "policy:%s", path);
	const char *src = c->opt.find_source ? c->opt.find_source(c->opt.ud, key, &from, &n) : NULL;
	if (c->opt.on_source)
		c->opt.on_source(c->opt.ud, path);
	rc = src ? 0 : read_policy(path, false, &own, &n, err);
	if (rc == 0 && !src && c->opt.keep_source)
		c->opt.keep_source(c->opt.ud, key, path, own, n);
	if (rc == 0)
		rc = load(c, path, src ? src : own, n, err);
	if (rc == 0)
		rc = remember(c, path, NULL, 0, err);
	free(own);
	return rc;
}

int cfw_load_again(struct cfw_gen *g, const struct cfw_load *load, struct curfew_err *err)
{
	char key[4096 + 8], *src = NULL;
	size_t n = 0;
	if (load->src)
		return cfw_policy_load(g->policy, load->name, load->src, load->n, err);
	if (g->c->opt.on_source)
		g->c->opt.on_source(g->c->opt.ud, load->name);
	int rc = read_policy(load->name, true, &src, &n, err);
	if (rc)
		return rc;
	snprintf(key, sizeof key, "policy:%s", load->name);
	cfw_stage_source(g, key, load->name, src, n);
	rc = cfw_policy_load(g->policy, load->name, src, n, err);
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
	if (!cfw_can_be_trigger(signo))
		return CURFEW_EINVAL;
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
	int low = code & 255, asked = (code != 0 && low == 0 ? 1 : low) + 1, before = atomic_load(&c->thread_exit);
	while (before < asked && !atomic_compare_exchange_weak(&c->thread_exit, &before, asked))
		; /* of several, before the loop comes by, the highest (S4.3) */
	curfew_wake(c);
}

int curfew_stop(struct curfew *c)
{
	return cfw_put_trigger(c, (struct cfw_trigger){.kind = CFW_T_STOP});
}

int curfew_trigger(struct curfew *c, const char *name, struct curfew_err *err)
{
	struct cfw_trigger t = {0};
	if (!name)
		return cfw_err_set(err, CURFEW_EINVAL, "curfew_trigger: no name");
	int rc = cfw_trigger_open(name, &t, err);
	if (rc)
		return rc;
	return t.kind == CFW_T_CUSTOM ? cfw_raise_trigger(c->gen, &t, name, NULL) : cfw_put_trigger(c, t);
}

struct cfw_decision curfew_ask(const struct curfew *c, const struct cfw_trigger *t, const char *text)
{
	return cfw_policy_ask(c->policy, t, text, NULL);
}
