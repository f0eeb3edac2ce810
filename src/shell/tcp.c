#include "shell/tcp.h"

#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "base/value.h"
#include "shell/tcp_server.h"

enum { LOG_AT_MOST = 10 };

static void step(struct cfw_tcp *s);
static void on_accepting(void *srv);

/* ---- from the definition to a server ---- */

static void go_down(struct cfw_tcp *s);

static void free_server(void *srv)
{
	struct cfw_tcp *s = srv;
	if (!s)
		return;
	go_down(s);
	cfw_listen_ready_free(s->ready, s->n_addrs);
	cfw_listen_addrs_free(s->addrs, s->n_addrs);
	free(s);
}

static void *open_server(void *kind_ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def,
			 struct curfew_err *err)
{
	const struct cfw_value *handler = cfw_value_get(def, "handler");
	struct cfw_tcp *s = calloc(1, sizeof *s);
	if (!s) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	s->base = kind_ud;
	s->env = env;
	s->id = id;
	s->name = cfw_value_get_str(def, "name", "tcp");
	s->accept = (struct cfw_accept){.name = s->name, .log = env->log, .resumed = on_accepting, .ud = s};
	s->drain_ns = cfw_value_get_ns(def, "drain", CFW_NEVER);
	s->max_connections = cfw_value_get_int(def, "max_connections", 0);
	s->handler = cfw_value_to_int(handler, 0);
	s->n_addrs = cfw_listen_parse(s->name, cfw_value_get(def, "listen"), &s->addrs, err);
	if (s->n_addrs < 0 || cfw_value_type(handler) != CFW_V_REF) {
		if (s->n_addrs >= 0)
			cfw_err_set(err, CURFEW_EINVAL, "%s: handler is missing: a function", s->name);
		s->n_addrs = s->n_addrs < 0 ? 0 : s->n_addrs;
		free_server(s);
		return NULL;
	}
	return s;
}

static void report(struct cfw_tcp *s, enum cfw_report_what what, uint32_t attempt, const struct curfew_err *err)
{
	struct cfw_report r = {.what = what, .server = s->id, .attempt = attempt, .exit_code = -1, .err = err};
	s->env->report(s->env->ud, &r);
}

/* ---- accepting ---- */

static bool is_full(const struct cfw_tcp *s)
{
	return s->max_connections > 0 && s->n_conns >= s->max_connections;
}

/* Nobody is accepted now; the rest waits in the kernel's queue. */
static bool is_paused(const struct cfw_tcp *s)
{
	return is_full(s) || s->accept.failed;
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *peer, int len, void *srv)
{
	struct cfw_tcp *s = srv;
	(void)l, (void)len;
	s->last_accept_ns = s->env->now_ns(s->env->ud);
	cfw_tcp_conn_new(s, fd, peer);
	if (is_full(s))
		cfw_accept_enable(&s->accept, false);
}

static void on_accepting(void *srv)
{
	struct cfw_tcp *s = srv;
	cfw_accept_enable(&s->accept, !is_full(s));
	step(s);
}

/* ---- start ---- */

static void on_turn(evutil_socket_t fd, short what, void *srv)
{
	(void)fd, (void)what;
	step(srv);
}

static int listen_on(struct cfw_tcp *s, int i, struct curfew_err *err)
{
	int rc = cfw_listen_take(s->env, s->id, s->name, s->addrs, i, s->ready, &s->listeners[i], err);
	if (rc)
		return rc;
	struct evconnlistener *l =
		evconnlistener_new(s->base, on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, s->listeners[i].fd);
	if (!l)
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", s->name);
	cfw_accept_watch(&s->accept, i, l);
	return 0;
}

static int listen_all(struct cfw_tcp *s, struct curfew_err *err)
{
	s->listeners = calloc((size_t)s->n_addrs, sizeof *s->listeners);
	if (!s->listeners || cfw_accept_init(&s->accept, s->base, s->n_addrs))
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", s->name);
	for (int i = 0; i < s->n_addrs; i++)
		s->listeners[i].fd = -1;
	for (int i = 0; i < s->n_addrs; i++) {
		int rc = listen_on(s, i, err);
		if (rc)
			return rc;
	}
	s->address = cfw_listen_text(s->listeners, s->n_addrs);
	return s->address ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", s->name);
}

static void start(void *srv, uint32_t attempt)
{
	struct cfw_tcp *s = srv;
	struct curfew_err err = {0};
	TAILQ_INIT(&s->conns);
	event_assign(&s->turn, s->base, -1, 0, on_turn, s);
	s->phase = CFW_TCP_SERVING;
	s->last_accept_ns = 0;
	int rc = listen_all(s, &err);
	if (rc)
		go_down(s);
	report(s, rc ? CFW_REPORT_START_FAILED : CFW_REPORT_STARTED, attempt, rc ? &err : NULL);
}

/* ---- stop ---- */

static void listener_done(struct cfw_tcp *s, int i)
{
	struct evconnlistener *l = s->accept.on ? s->accept.on[i] : NULL;
	if (l) {
		cfw_accept_watch(&s->accept, i, NULL);
		evconnlistener_free(l); /* closes the descriptor */
		s->listeners[i].fd = -1;
	}
	cfw_listen_close(&s->listeners[i]);
}

static void go_down(struct cfw_tcp *s)
{
	struct cfw_tcp_conn *c;
	if (s->phase == CFW_TCP_DOWN)
		return;
	s->phase = CFW_TCP_DOWN;
	for (int i = 0; s->listeners && i < s->n_addrs; i++)
		listener_done(s, i);
	while ((c = TAILQ_FIRST(&s->conns)))
		cfw_tcp_conn_cut(c);
	event_del(&s->turn);
	cfw_accept_clear(&s->accept);
	free(s->listeners);
	free(s->address);
	s->listeners = NULL;
	s->address = NULL;
}

static void stopped(struct cfw_tcp *s)
{
	go_down(s);
	report(s, CFW_REPORT_STOPPED, s->attempt, NULL);
}

static void log_cut(struct cfw_tcp *s, const char *why)
{
	struct cfw_tcp_conn *c = NULL;
	char buf[32];
	int logged = 0;
	if (s->phase == CFW_TCP_DOWN || !s->n_conns)
		return;
	s->cut += (uint64_t)s->n_conns;
	cfw_log_at(s->env->log, CFW_WARN, "%s: %s with %lld connections open", s->name, why, (long long)s->n_conns);
	TAILQ_FOREACH(c, &s->conns, link)
	{
		if (logged++ == LOG_AT_MOST)
			return;
		cfw_log_with(s->env->log, CFW_WARN, "connection cut", "server", s->name, "peer",
			     cfw_value_get_str(c->value, "peer", NULL), "age",
			     cfw_format_duration(buf, sizeof buf, s->env->now_ns(s->env->ud) - c->since_ns), NULL);
	}
}

static void turn_at(struct cfw_tcp *s, uint64_t ns)
{
	struct timeval tv = {(time_t)(ns / CFW_SEC), (suseconds_t)(ns % CFW_SEC / 1000)};
	event_add(&s->turn, &tv);
}

/* One step of the drain: S9.1 without idle_grace, for here only the two ends know what is idle. */
static void step(struct cfw_tcp *s)
{
	uint64_t now = s->env->now_ns(s->env->ud);
	bool left = false;
	if (s->phase < CFW_TCP_DRAIN_QUEUE)
		return;
	if (now >= s->drain_end_ns) {
		log_cut(s, "drain is over");
		stopped(s);
		return;
	}
	if (s->phase == CFW_TCP_DRAIN_QUEUE) {
		bool paused = is_paused(s);
		if (!paused)
			cfw_accept_enable(&s->accept, true);
		for (int i = 0; !paused && i < s->n_addrs; i++)
			left |= cfw_listen_queued(&s->listeners[i]);
		if (left || paused) {
			cfw_listen_bar_all(s->listeners, s->n_addrs);
			/* Full or failed: who leaves, or the resume event, brings us back. */
			turn_at(s, paused ? 10 * CFW_MS : 0);
			return;
		}
		for (int i = 0; i < s->n_addrs; i++)
			listener_done(s, i);
		s->phase = CFW_TCP_DRAIN_CONNS;
	}
	if (!s->n_conns)
		stopped(s);
	else if (s->drain_end_ns != CFW_NEVER)
		turn_at(s, s->drain_end_ns - now);
}

void cfw_tcp_conn_gone(struct cfw_tcp *s)
{
	if (s->phase == CFW_TCP_SERVING && s->max_connections && !is_paused(s))
		cfw_accept_enable(&s->accept, true);
	else if (s->phase >= CFW_TCP_DRAIN_QUEUE)
		turn_at(s, 0);
}

static void stop(void *srv, const struct cfw_stop *how)
{
	struct cfw_tcp *s = srv;
	s->attempt = how->attempt;
	if (s->phase == CFW_TCP_DOWN) {
		stopped(s);
	} else if (s->phase == CFW_TCP_SERVING) {
		s->phase = CFW_TCP_DRAIN_QUEUE;
		uint64_t now = s->env->now_ns(s->env->ud);
		for (int i = 0; i < s->n_addrs; i++) /* who waits there is the successor's */
			if (s->listeners[i].shared)
				listener_done(s, i);
		s->drain_end_ns = cfw_time_add(now, s->drain_ns);
		if (s->n_conns || (s->last_accept_ns && cfw_time_add(s->last_accept_ns, CFW_LISTEN_QUIET) > now))
			cfw_listen_bar_all(s->listeners, s->n_addrs);
		step(s);
	}
}

static void cut(void *srv, uint32_t attempt)
{
	struct cfw_tcp *s = srv;
	s->attempt = attempt;
	log_cut(s, "cut");
	stopped(s);
}

/* ---- reload ---- */

static int prepare(void *srv, struct curfew_err *err)
{
	struct cfw_tcp *s = srv;
	return cfw_listen_prepare(s->env, s->id, s->name, s->addrs, s->n_addrs, &s->ready, err);
}

static int hand_over(void *srv, const char *address, bool take)
{
	struct cfw_tcp *s = srv;
	return s->phase == CFW_TCP_SERVING ? cfw_listen_hand_over(s->listeners, s->addrs, s->n_addrs, address, take) : -1;
}

static bool fits(const void *srv, const void *next)
{
	const struct cfw_tcp *s = srv, *n = next;
	return s->phase == CFW_TCP_DOWN || cfw_listen_same(s->addrs, s->n_addrs, n->addrs, n->n_addrs);
}

static bool renew(void *srv, void *next)
{
	struct cfw_tcp *s = srv, *n = next;
	if (s->phase == CFW_TCP_DOWN)
		cfw_listen_swap(&s->addrs, &s->n_addrs, &n->addrs, &n->n_addrs);
	s->handler = n->handler;
	s->drain_ns = n->drain_ns;
	s->max_connections = n->max_connections;
	if (s->phase == CFW_TCP_SERVING && !s->accept.failed)
		cfw_accept_enable(&s->accept, !is_full(s));
	return false;
}

/* ---- reads ---- */

static struct cfw_value *stats(void *srv)
{
	const struct cfw_tcp *s = srv;
	struct cfw_value *map = cfw_value_map();
	cfw_value_set(map, "connections", cfw_value_int(s->n_conns));
	cfw_value_set(map, "accepted", cfw_value_int((int64_t)s->accepted));
	cfw_value_set(map, "cut", cfw_value_int((int64_t)s->cut));
	cfw_value_set(map, "bytes_out", cfw_value_int((int64_t)s->bytes_out));
	cfw_value_set(map, "accept_errors", cfw_value_int((int64_t)s->accept.errors));
	return map;
}

static const char *address(void *srv)
{
	return ((struct cfw_tcp *)srv)->address;
}

const struct cfw_kind cfw_tcp_kind = {
	.size = sizeof(struct cfw_kind),
	.name = "tcp",
	.open = open_server,
	.free = free_server,
	.start = start,
	.stop = stop,
	.cut = cut,
	.stats = stats,
	.takes_requests = true,
	.address = address,
	.fits = fits,
	.renew = renew,
	.prepare = prepare,
	.hand_over = hand_over,
	.beside = true,
};
