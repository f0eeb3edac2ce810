/* rig.h: an instance's surroundings for the tests of the host: a poll loop, timers, SIGCHLD, and what was reported. */
#ifndef T_HOST_RIG_H
#define T_HOST_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "adapters/poll.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/kind.h"
#include "base/log.h"
#include "base/page.h"
#include "base/time.h"
#include "base/timers.h"
#include "base/value.h"
#include "host/host.h"
#include "tap.h"

enum { RIG_REPORTS = 4096, RIG_ANSWERS = 64 };

struct rig_report {
	enum cfw_report_what what;
	cfw_id server;
	uint32_t attempt;
	int exit_code, signo;
	char err[256];
	uint64_t at_ns;
};

struct rig_answer {
	uint64_t token;
	struct cfw_value *value;
	struct curfew_err err;
};

struct rig {
	struct curfew_loop loop;
	struct cfw_timers timers;
	struct cfw_log log;
	struct cfw_env env;
	struct cfw_host *host;
	struct curfew_watch *watch;
	size_t n_reports, n_answers, n_lines;
	struct rig_report reports[RIG_REPORTS];
	struct rig_answer answers[RIG_ANSWERS];
	struct cfw_buf lines; /* "server|stream|text\n" */
	char dir[64];
};

static int rig_sigchld = -1;

__attribute__((unused)) static void rig_on_sigchld(int sig)
{
	(void)sig;
	int saved = errno;
	uint64_t one = 1;
	ssize_t n = write(rig_sigchld, &one, sizeof one);
	(void)n;
	errno = saved;
}

__attribute__((unused)) static void rig_on_wake(void *ud, int fd, unsigned what)
{
	(void)what;
	struct rig *r = ud;
	uint64_t n;
	if (read(fd, &n, sizeof n) > 0)
		cfw_host_reap(r->host);
}

__attribute__((unused)) static uint64_t rig_now(void *ud)
{
	(void)ud;
	return cfw_time_now();
}

__attribute__((unused)) static void rig_report(void *ud, const struct cfw_report *rep)
{
	struct rig *r = ud;
	struct rig_report *to = &r->reports[r->n_reports++ % RIG_REPORTS];
	memset(to, 0, sizeof *to);
	to->what = rep->what;
	to->server = rep->server;
	to->attempt = rep->attempt;
	to->exit_code = rep->exit_code;
	to->signo = rep->signo;
	to->at_ns = cfw_time_now();
	if (rep->err)
		snprintf(to->err, sizeof to->err, "%.255s", rep->err->msg);
}

__attribute__((unused)) static void rig_answer(void *ud, uint64_t token, struct cfw_value *value, const struct curfew_err *err)
{
	struct rig *r = ud;
	struct rig_answer *to = &r->answers[r->n_answers++ % RIG_ANSWERS];
	cfw_value_free(to->value);
	memset(to, 0, sizeof *to);
	to->token = token;
	to->value = value;
	if (err)
		to->err = *err;
}

__attribute__((unused)) static void rig_log(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *f,
					    size_t n)
{
	(void)level;
	struct rig *r = ud;
	const char *server = "", *stream = "";
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(f[i].key, "server"))
			server = f[i].value;
		if (!strcmp(f[i].key, "stream"))
			stream = f[i].value;
	}
	r->n_lines++;
	if (r->lines.len < 1 << 22)
		cfw_buf_printf(&r->lines, "%s|%s|%s\n", server, stream, msg);
}

__attribute__((unused)) static struct rig *rig_new(enum cfw_reap reap)
{
	struct curfew_err err = {0};
	struct rig *r = calloc(1, sizeof *r);
	signal(SIGPIPE, SIG_DFL); /* nothing of the host may rely on it being ignored */
	if (!r || curfew_poll_new(&r->loop, &err))
		tap_bail("no loop: %s", err.msg);
	cfw_timers_init(&r->timers);
	cfw_buf_init(&r->lines);
	r->log = (struct cfw_log){CFW_DEBUG, rig_log, r};
	r->env = (struct cfw_env){.loop = &r->loop,
				  .timers = &r->timers,
				  .log = &r->log,
				  .page = cfw_page_new(),
				  .ud = r,
				  .now_ns = rig_now,
				  .report = rig_report,
				  .answer = rig_answer};
	snprintf(r->dir, sizeof r->dir, "/tmp/curfew-host-XXXXXX");
	if (!mkdtemp(r->dir))
		tap_bail("no folder of my own");
	r->host = cfw_host_new(&r->env, reap, &err);
	if (!r->host)
		tap_bail("no host: %s", err.msg);
	if (reap == CFW_REAP_ALL) {
		rig_sigchld = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		struct sigaction sa = {.sa_handler = rig_on_sigchld, .sa_flags = SA_RESTART};
		sigaction(SIGCHLD, &sa, NULL);
		r->loop.ops->watch(r->loop.loop, &r->watch, rig_sigchld, CURFEW_READ, rig_on_wake, r);
	}
	return r;
}

__attribute__((unused)) static void rig_free(struct rig *r)
{
	cfw_host_free(r->host);
	if (r->watch)
		r->loop.ops->watch(r->loop.loop, &r->watch, rig_sigchld, 0, NULL, NULL);
	if (rig_sigchld >= 0) {
		signal(SIGCHLD, SIG_DFL);
		close(rig_sigchld);
		rig_sigchld = -1;
	}
	cfw_timers_clear(&r->timers);
	curfew_poll_free(&r->loop);
	cfw_page_free(r->env.page);
	cfw_buf_clear(&r->lines);
	for (size_t i = 0; i < RIG_ANSWERS; i++)
		cfw_value_free(r->answers[i].value);
	char cmd[128];
	snprintf(cmd, sizeof cmd, "rm -rf '%s'", r->dir);
	if (system(cmd))
		tap_diag("%s stays", r->dir);
	free(r);
}

__attribute__((unused)) static void rig_turn(struct rig *r)
{
	uint64_t until = cfw_time_min(cfw_timers_deadline(&r->timers), cfw_time_add(cfw_time_now(), 20 * CFW_MS));
	curfew_poll_turn(&r->loop, until);
	cfw_timers_run(&r->timers, cfw_time_now());
}

/* Turn the loop until cond holds, ms at most (ten times that where it is slow: valgrind, sanitizers). */
#define rig_until(r, cond, ms)                                                                                                 \
	do {                                                                                                                   \
		uint64_t rig_end = cfw_time_now() + (uint64_t)(ms)*10 * CFW_MS;                                                \
		while (!(cond) && cfw_time_now() < rig_end)                                                                    \
			rig_turn(r);                                                                                           \
	} while (0)

/* Turn it for that long, to see that nothing happens. */
__attribute__((unused)) static void rig_idle(struct rig *r, uint64_t ms)
{
	uint64_t end = cfw_time_now() + ms * CFW_MS;
	while (cfw_time_now() < end)
		rig_turn(r);
}

__attribute__((unused)) static const struct rig_report *rig_last(const struct rig *r)
{
	static const struct rig_report none = {.what = (enum cfw_report_what) - 1};
	return r->n_reports ? &r->reports[(r->n_reports - 1) % RIG_REPORTS] : &none;
}

__attribute__((unused)) static const char *rig_what(enum cfw_report_what what)
{
	static const char *const names[] = {"STARTED", "START_FAILED", "STOPPED", "CLOSED", "DIED"};
	return (size_t)what < 5 ? names[what] : "none";
}

/* ---- definitions ---- */

__attribute__((unused)) static struct cfw_value *rig_list(const char *first, ...)
{
	va_list ap;
	struct cfw_value *v = cfw_value_list();
	va_start(ap, first);
	for (const char *s = first; s; s = va_arg(ap, const char *))
		cfw_value_push(v, cfw_value_str(s));
	va_end(ap);
	return v;
}

/* A process that runs a shell script; more keys are set by the caller. */
__attribute__((unused)) static struct cfw_value *rig_sh(const char *script)
{
	struct cfw_value *def = cfw_value_map();
	cfw_value_set(def, "name", cfw_value_str("it"));
	cfw_value_set(def, "kind", cfw_value_str("process"));
	cfw_value_set(def, "command", rig_list("/bin/sh", "-c", script, NULL));
	return def;
}

/* One process for a test: opened, and started. */
struct rig_proc {
	struct rig *r;
	struct cfw_value *def;
	void *srv;
	cfw_id id;
};

__attribute__((unused)) static struct rig_proc rig_open(struct rig *r, struct cfw_value *def)
{
	static cfw_id ids = 100;
	struct curfew_err err = {0};
	void *srv = cfw_process_kind.open(r->host, &r->env, ++ids, def, &err);
	if (!srv)
		tap_bail("cannot open: %s", err.msg);
	return (struct rig_proc){r, def, srv, ids};
}

__attribute__((unused)) static struct rig_proc rig_start(struct rig *r, struct cfw_value *def)
{
	struct rig_proc p = rig_open(r, def);
	size_t before = r->n_reports;
	cfw_process_kind.start(p.srv, 1);
	rig_until(r, r->n_reports > before, 3000);
	return p;
}

__attribute__((unused)) static void rig_stop(struct rig_proc *p, int signo)
{
	size_t before = p->r->n_reports;
	struct cfw_stop stop = {.attempt = 2, .deadline_ns = CFW_NEVER, .signo = signo};
	cfw_process_kind.stop(p->srv, &stop);
	rig_until(p->r, p->r->n_reports > before, 3000);
}

__attribute__((unused)) static void rig_cut(struct rig_proc *p)
{
	size_t before = p->r->n_reports;
	cfw_process_kind.cut(p->srv, 3);
	rig_until(p->r, p->r->n_reports > before, 3000);
}

__attribute__((unused)) static void rig_close(struct rig_proc *p)
{
	cfw_process_kind.free(p->srv);
	cfw_value_free(p->def);
}

/* ---- looking around ---- */

/* valgrind has ideas of its own about limits, scripts and pidfds. */
__attribute__((unused)) static bool rig_valgrind(void)
{
	const char *preload = getenv("LD_PRELOAD");
	return preload && strstr(preload, "vgpreload");
}

__attribute__((unused)) static size_t rig_fds(void)
{
	size_t n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* The contents of a file in the test's folder; "" when it is not there. Static storage. */
__attribute__((unused)) static const char *rig_file(const struct rig *r, const char *name)
{
	static char text[65536];
	char path[256];
	snprintf(path, sizeof path, "%s/%s", r->dir, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	return text;
}

/* Is that process there, and not a zombie? */
__attribute__((unused)) static bool rig_alive(long pid)
{
	char path[64], text[512];
	snprintf(path, sizeof path, "/proc/%ld/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	const char *p = strrchr(text, ')');
	return p && p[2] != 'Z';
}

/* Our children, zombies too. */
__attribute__((unused)) static size_t rig_children(void)
{
	char path[64], text[65536];
	size_t n = 0;
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t k = fd < 0 ? 0 : read(fd, text, sizeof text);
	for (ssize_t i = 0; i < k; i++)
		n += text[i] == ' ';
	if (fd >= 0)
		close(fd);
	return n;
}

#endif
