#define _GNU_SOURCE
#include "host/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adapters/loop.h"
#include "base/err.h"
#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "host/httpget.h"
#include "host/internal.h"

enum kind { NONE, TCP, HTTP, EXEC, NOTIFY, DELAY };

static const struct {
	const char *key;
	enum kind kind;
} kinds[] = {{"tcp", TCP}, {"http", HTTP}, {"exec", EXEC}, {"notify", NOTIFY}, {"delay", DELAY}};

#define FIRST_INTERVAL (20 * CFW_MS)
#define LAST_INTERVAL  (250 * CFW_MS)
#define ONE_TRY        (5 * CFW_SEC) /* a try without an answer is given up and made anew */

struct cfw_ready {
	struct cfw_host *host;
	const struct cfw_value *server, *def;
	const char *name;
	cfw_ready_fn *fn;
	void *ud;
	enum kind kind;
	struct cfw_timer retry, limit, one_try;
	uint64_t timeout_ns, interval_ns;
	bool fixed;             /* the interval was given: it does not grow */
	bool dead;              /* freed while the probe still runs */
	struct cfw_httpget get; /* its addr also for tcp */
	struct curfew_watch *watch;
	int fd;
	bool connected;
	size_t sent, got;
	char reply[16];
	struct cfw_child probe;
	char problem[200]; /* of the last try */
};

static enum kind kind_of(const struct cfw_value *def)
{
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
		const struct cfw_value *v = cfw_value_get(def, kinds[i].key);
		if (v && (cfw_value_type(v) != CFW_V_BOOL || cfw_value_to_bool(v)))
			return kinds[i].kind;
	}
	return NONE;
}

bool cfw_ready_at_once(const struct cfw_value *def)
{
	return kind_of(def) == NONE;
}

bool cfw_ready_by_notify(const struct cfw_value *def)
{
	return kind_of(def) == NOTIFY;
}

int cfw_ready_check(const struct cfw_value *def, struct curfew_err *err)
{
	struct cfw_httpget get = {0};
	size_t ways = 0;
	int e = 0;
	if (cfw_value_type(def) == CFW_V_NIL)
		return 0;
	if (cfw_value_type(def) != CFW_V_MAP)
		return cfw_err_set(err, CURFEW_EINVAL, "ready is a table: { tcp = \"127.0.0.1:80\" } and so on");
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		ways += cfw_value_get(def, kinds[i].key) != NULL;
	if (ways != 1)
		return cfw_err_set(err, CURFEW_EINVAL, "ready has one of tcp, http, exec, notify and delay");
	const struct cfw_value *command = cfw_value_get(def, "exec");
	switch (kind_of(def)) {
	case TCP:
		e = cfw_addr_parse(&get.addr, cfw_value_get_str(def, "tcp", ""), 0, err);
		break;
	case HTTP:
		e = cfw_httpget_parse(&get, cfw_value_get_str(def, "http", ""), err);
		cfw_httpget_clear(&get);
		break;
	case EXEC:
		if (cfw_value_type(command) != CFW_V_LIST || !cfw_value_len(command))
			e = cfw_err_set(err, CURFEW_EINVAL, "exec is a list of strings, the program first");
		break;
	case NOTIFY:
	case DELAY:
	case NONE:
		break;
	}
	if (e)
		cfw_err_prefix(err, "ready: ");
	return e;
}

static void hang_up(struct cfw_ready *r)
{
	const struct curfew_loop *loop = r->host->env->loop;
	if (r->watch)
		loop->ops->watch(loop->loop, &r->watch, r->fd, 0, NULL, NULL);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	cfw_timer_cancel(r->host->env->timers, &r->one_try);
}

static void answer(struct cfw_ready *r, const char *failure)
{
	struct cfw_timers *timers = r->host->env->timers;
	hang_up(r);
	cfw_timer_cancel(timers, &r->retry);
	cfw_timer_cancel(timers, &r->limit);
	cfw_ready_fn *fn = r->fn;
	r->fn = NULL;
	if (fn)
		fn(r->ud, failure);
}

/* This try has failed: the next one after the interval, which grows by a half. */
static void again(struct cfw_ready *r)
{
	hang_up(r);
	cfw_timer_set(r->host->env->timers, &r->retry, cfw_time_add(cfw_host_now(r->host), r->interval_ns));
	if (!r->fixed)
		r->interval_ns = cfw_time_min(r->interval_ns + r->interval_ns / 2, LAST_INTERVAL);
}

static void again_errno(struct cfw_ready *r, int error)
{
	snprintf(r->problem, sizeof r->problem, "%s: %s", cfw_value_get_str(r->def, r->kind == TCP ? "tcp" : "http", ""),
		 strerror(error));
	again(r);
}

/* ---- http: what comes after the connect ---- */

/* False: this try is over, r may be gone. */
static bool talk(struct cfw_ready *r)
{
	size_t n = strlen(r->get.request);
	while (r->sent < n) {
		ssize_t k = send(r->fd, r->get.request + r->sent, n - r->sent, MSG_NOSIGNAL);
		if (k < 0 && errno == EAGAIN)
			return true;
		if (k < 0) {
			again_errno(r, errno);
			return false;
		}
		r->sent += (size_t)k;
	}
	ssize_t k = recv(r->fd, r->reply + r->got, sizeof r->reply - r->got, 0);
	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (k < 0) {
		again_errno(r, errno);
		return false;
	}
	r->got += (size_t)k;
	int status = cfw_httpget_status(r->reply, r->got);
	const char *url = cfw_value_get_str(r->def, "http", "");
	if (!status && k)
		return true;
	if (status >= 200 && status < 400) {
		answer(r, NULL);
		return false;
	}
	if (status > 0)
		snprintf(r->problem, sizeof r->problem, "%s answers %d", url, status);
	else
		snprintf(r->problem, sizeof r->problem, "%s: the answer is no HTTP", url);
	again(r);
	return false;
}

static void on_socket(void *ud, int fd, unsigned what)
{
	(void)what;
	struct cfw_ready *r = ud;
	const struct curfew_loop *loop = r->host->env->loop;
	if (!r->connected) {
		int error = cfw_addr_connected(fd);
		if (error) {
			again_errno(r, error);
			return;
		}
		r->connected = true;
		if (r->kind == TCP) {
			answer(r, NULL);
			return;
		}
	}
	if (talk(r) && r->sent == strlen(r->get.request))
		loop->ops->watch(loop->loop, &r->watch, r->fd, CURFEW_READ, on_socket, r);
}

static void try_connect(struct cfw_ready *r)
{
	const struct curfew_loop *loop = r->host->env->loop;
	bool done;
	r->connected = false;
	r->sent = r->got = 0;
	r->fd = cfw_addr_connect(&r->get.addr, &done);
	if (r->fd < 0) {
		again_errno(r, errno);
		return;
	}
	if (loop->ops->watch(loop->loop, &r->watch, r->fd, CURFEW_WRITE, on_socket, r)) {
		again_errno(r, ENOMEM);
		return;
	}
	cfw_timer_set(r->host->env->timers, &r->one_try, cfw_time_add(cfw_host_now(r->host), ONE_TRY));
}

/* ---- exec ---- */

static void free_all(struct cfw_ready *r)
{
	cfw_httpget_clear(&r->get);
	free(r);
}

static void on_probe_gone(struct cfw_child *c)
{
	struct cfw_ready *r = (struct cfw_ready *)((char *)c - offsetof(struct cfw_ready, probe));
	cfw_timer_cancel(r->host->env->timers, &r->one_try);
	if (r->dead)
		free_all(r);
	else if (c->code == 0)
		answer(r, NULL);
	else {
		if (c->signo)
			snprintf(r->problem, sizeof r->problem, "the check was ended by %s", cfw_signal_name(c->signo));
		else
			snprintf(r->problem, sizeof r->problem, "the check exited with code %d", c->code);
		again(r);
	}
}

static void try_exec(struct cfw_ready *r)
{
	struct curfew_err err = {0};
	struct cfw_launch l = {.def = r->server, .command = cfw_value_get(r->def, "exec"), .name = r->name};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	l.fd[0] = l.fd[1] = l.fd[2] = null;
	r->probe.gone = on_probe_gone;
	r->probe.rest = CFW_REST_KILL;
	int e = cfw_child_launch(r->host, &r->probe, &l, &err);
	if (null >= 0)
		close(null);
	if (e) {
		snprintf(r->problem, sizeof r->problem, "%.*s", (int)sizeof r->problem - 1, err.msg);
		again(r);
		return;
	}
	cfw_timer_set(r->host->env->timers, &r->one_try, cfw_time_add(cfw_host_now(r->host), ONE_TRY));
}

/* ---- timers ---- */

static void on_retry(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_ready *r = ud;
	if (r->kind == TCP || r->kind == HTTP)
		try_connect(r);
	else if (r->kind == EXEC)
		try_exec(r);
	else /* its delay; notify has no tries */
		answer(r, NULL);
}

static void on_one_try(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_ready *r = ud;
	if (r->kind == EXEC)
		cfw_child_kill(&r->probe);
	else
		again_errno(r, ETIMEDOUT);
}

static void on_limit(struct cfw_timer *t, uint64_t now_ns, void *ud)
{
	(void)t;
	(void)now_ns;
	struct cfw_ready *r = ud;
	char text[320], limit[32];
	snprintf(text, sizeof text, "was not ready within %s: %s", cfw_format_duration(limit, sizeof limit, r->timeout_ns),
		 r->problem);
	answer(r, text);
}

struct cfw_ready *cfw_ready_new(struct cfw_host *h, const struct cfw_value *server, const char *name, cfw_ready_fn *fn,
				void *ud, struct curfew_err *err)
{
	struct cfw_ready *r = calloc(1, sizeof *r);
	if (!r) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	r->host = h;
	r->server = server;
	r->def = cfw_value_get(server, "ready");
	r->name = name;
	r->fn = fn;
	r->ud = ud;
	r->fd = -1;
	r->kind = kind_of(r->def);
	r->retry = (struct cfw_timer){.fn = on_retry, .ud = r};
	r->limit = (struct cfw_timer){.fn = on_limit, .ud = r};
	r->one_try = (struct cfw_timer){.fn = on_one_try, .ud = r};
	r->timeout_ns = cfw_value_get_ns(r->def, "timeout", CFW_NEVER);
	r->interval_ns = cfw_time_max(cfw_value_get_ns(r->def, "interval", FIRST_INTERVAL), CFW_MS);
	r->fixed = cfw_value_get(r->def, "interval") != NULL;
	snprintf(r->problem, sizeof r->problem, "%s", r->kind == NOTIFY ? "it did not send READY=1" : "it did not answer");
	int e = 0;
	if (r->kind == TCP)
		e = cfw_addr_parse(&r->get.addr, cfw_value_get_str(r->def, "tcp", ""), 0, err);
	else if (r->kind == HTTP)
		e = cfw_httpget_parse(&r->get, cfw_value_get_str(r->def, "http", ""), err);
	uint64_t now = cfw_host_now(h);
	uint64_t first = r->kind == DELAY ? cfw_time_add(now, cfw_value_get_ns(r->def, "delay", 0)) : now;
	if (!e && ((r->kind != NOTIFY && cfw_timer_set(h->env->timers, &r->retry, first)) ||
		   cfw_timer_set(h->env->timers, &r->limit, cfw_time_add(now, r->timeout_ns))))
		e = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (e) {
		cfw_ready_free(r);
		return NULL;
	}
	return r;
}

void cfw_ready_told(struct cfw_ready *r)
{
	answer(r, NULL);
}

void cfw_ready_free(struct cfw_ready *r)
{
	if (!r)
		return;
	r->fn = NULL;
	answer(r, NULL);
	if (r->probe.phase != CFW_CHILD_NONE) {
		r->dead = true;
		cfw_child_kill(&r->probe);
	} else
		free_all(r);
}
