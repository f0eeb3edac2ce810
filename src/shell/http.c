#include "shell/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/time.h"
#include "base/value.h"
#include "shell/http_server.h"

enum { MAX_BODY = 1 << 20, MAX_HEADERS = 32 << 10 };
#define KEEP_ALIVE (60 * CFW_SEC)
#define IDLE_GRACE (100 * CFW_MS)
/* A request, head and body, has so long from its first byte. */
#define REQUEST_TIMEOUT (30 * CFW_SEC)
/* A reply of which the client takes nothing may stand still for so long. */
#define WRITE_STALL (60 * CFW_SEC)
/* What is held of a connection's bytes beyond the largest request. */
#define READ_AHEAD (64 << 10)

/* ---- from the definition to a server ---- */

static int64_t get_limit(const struct cfw_value *def, const char *key, int64_t otherwise)
{
	int64_t n = cfw_value_get_int(def, key, otherwise);
	return n < 0 ? otherwise : n;
}

/* evhttp wants all of a body, or of a line of the head, in the buffer before it takes it. */
static size_t high_water(const struct cfw_http *s)
{
	int64_t most = s->max_body > s->max_headers ? s->max_body : s->max_headers;
	return most > INT64_MAX / 2 ? 0 : (size_t)most + READ_AHEAD;
}

static void free_server(void *srv)
{
	struct cfw_http *s = srv;
	if (!s)
		return;
	cfw_http_down(s);
	cfw_listen_ready_free(s->ready, s->n_addrs);
	cfw_routes_free(s->routes);
	cfw_listen_addrs_free(s->addrs, s->n_addrs);
	free(s);
}

static void on_accepting(void *srv)
{
	struct cfw_http *s = srv;
	cfw_accept_enable(&s->accept, true);
	if (s->phase >= CFW_HTTP_DRAIN_QUEUE)
		cfw_http_turn_soon(s);
}

static void *open_server(void *kind_ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def,
			 struct curfew_err *err)
{
	const struct cfw_value *handler = cfw_value_get(def, "handler");
	struct cfw_http *s = calloc(1, sizeof *s);
	/* http_conn.c relies on how evhttp fills in its bufferevents, which is so in all of 2.1 and in 2.2. */
	uint32_t version = event_get_version_number();
	if (version < 0x02010000 || version >= 0x02030000) {
		cfw_err_set(err, CURFEW_EINVAL, "libevent %s is not one that the kind http knows", event_get_version());
		free(s);
		return NULL;
	}
	if (!s) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	s->base = kind_ud;
	s->env = env;
	s->id = id;
	s->name = cfw_value_get_str(def, "name", "http");
	s->accept = (struct cfw_accept){.name = s->name, .log = env->log, .resumed = on_accepting, .ud = s};
	s->keep_alive_ns = cfw_value_get_ns(def, "keep_alive", KEEP_ALIVE);
	s->grace_ns = cfw_value_get_ns(def, "idle_grace", IDLE_GRACE);
	s->spread_ns = cfw_value_get_ns(def, "close_spread", 0);
	s->drain_ns = cfw_value_get_ns(def, "drain", CFW_NEVER);
	s->request_ns = cfw_value_get_ns(def, "request_timeout", REQUEST_TIMEOUT);
	s->write_stall_ns = cfw_value_get_ns(def, "write_stall", WRITE_STALL); /* a script cannot give it */
	s->max_body = get_limit(def, "max_body", MAX_BODY);
	s->max_headers = get_limit(def, "max_headers", MAX_HEADERS);
	s->high_water = high_water(s);
	s->has_handler = cfw_value_type(handler) == CFW_V_REF;
	s->handler = cfw_value_to_int(handler, 0);
	s->timer_ns = CFW_NEVER;
	s->n_addrs = cfw_listen_parse(s->name, cfw_value_get(def, "listen"), &s->addrs, err);
	if (s->n_addrs < 0 || cfw_routes_new(s->name, cfw_value_get(def, "routes"), &s->routes, err)) {
		s->n_addrs = s->n_addrs < 0 ? 0 : s->n_addrs;
		free_server(s);
		return NULL;
	}
	return s;
}

/* ---- reports ---- */

static void report(struct cfw_http *s, enum cfw_report_what what, uint32_t attempt, const struct curfew_err *err)
{
	struct cfw_report r = {.what = what, .server = s->id, .attempt = attempt, .exit_code = -1, .err = err};
	s->env->report(s->env->ud, &r);
}

/* ---- events of our own ---- */

static void on_adopt(evutil_socket_t fd, short what, void *srv)
{
	(void)fd, (void)what;
	cfw_http_adopt(srv);
}

static void on_timer(evutil_socket_t fd, short what, void *srv)
{
	struct cfw_http *s = srv;
	(void)fd, (void)what;
	s->timer_ns = CFW_NEVER;
	if (s->phase == CFW_HTTP_SERVING)
		cfw_http_sweep(s);
	else
		cfw_http_drain_step(s);
}

static void on_turn(evutil_socket_t fd, short what, void *srv)
{
	(void)fd, (void)what;
	cfw_http_drain_step(srv);
}

void cfw_http_turn_soon(struct cfw_http *s)
{
	static const struct timeval now;
	/* While accepting is paused there is nothing to be had by turning; the resume event comes back here. */
	if (!s->accept.failed && !event_pending(&s->turn, EV_TIMEOUT, NULL))
		event_add(&s->turn, &now);
}

/* ---- start ---- */

static int bind_one(struct cfw_http *s, int i, struct curfew_err *err)
{
	struct cfw_listener *l = &s->listeners[i];
	int rc = cfw_listen_take(s->env, s->id, s->name, s->addrs, i, s->ready, l, err);
	if (rc)
		return rc;
	s->bound[i] = evhttp_accept_socket_with_handle(s->http, l->fd);
	if (!s->bound[i]) {
		cfw_listen_close(l);
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", s->name);
	}
	cfw_accept_watch(&s->accept, i, evhttp_bound_socket_get_listener(s->bound[i]));
	return 0;
}

static int set_up(struct cfw_http *s)
{
	s->http = evhttp_new(s->base);
	s->listeners = calloc((size_t)s->n_addrs, sizeof *s->listeners);
	s->bound = calloc((size_t)s->n_addrs, sizeof *s->bound);
	s->scratch = evbuffer_new();
	if (!s->http || !s->listeners || !s->bound || !s->scratch || cfw_accept_init(&s->accept, s->base, s->n_addrs))
		return -1;
	for (int i = 0; i < s->n_addrs; i++)
		s->listeners[i].fd = -1;
	evhttp_set_gencb(s->http, cfw_http_serve, s);
	evhttp_set_bevcb(s->http, cfw_http_conn_new, s);
	evhttp_set_max_body_size(s->http, (ev_ssize_t)s->max_body);
	evhttp_set_max_headers_size(s->http, (ev_ssize_t)s->max_headers);
	evhttp_set_default_content_type(s->http, "text/plain; charset=utf-8");
	/* Methods that evhttp has no name for come too, with a bit of their own: we answer, and count, all but CONNECT. */
	evhttp_set_allowed_methods(s->http, (ev_uint16_t)~EVHTTP_REQ_CONNECT);
	return 0;
}

static void start(void *srv, uint32_t attempt)
{
	struct cfw_http *s = srv;
	struct curfew_err err = {0};
	for (int i = 0; i < CFW_HTTP_STATES; i++)
		TAILQ_INIT(&s->conns[i]);
	TAILQ_INIT(&s->fresh);
	LIST_INIT(&s->requests);
	LIST_INIT(&s->lingering);
	event_assign(&s->adopt, s->base, -1, 0, on_adopt, s);
	event_assign(&s->turn, s->base, -1, 0, on_turn, s);
	event_assign(&s->timer, s->base, -1, 0, on_timer, s);
	s->phase = CFW_HTTP_SERVING;
	s->lame = false;
	s->last_client_ns = 0;
	int rc = set_up(s) ? cfw_err_set(&err, CURFEW_ENOMEM, "%s: out of memory", s->name) : 0;
	for (int i = 0; !rc && i < s->n_addrs; i++)
		rc = bind_one(s, i, &err);
	if (!rc && !(s->address = cfw_listen_text(s->listeners, s->n_addrs)))
		rc = cfw_err_set(&err, CURFEW_ENOMEM, "%s: out of memory", s->name);
	if (rc)
		cfw_http_down(s);
	report(s, rc ? CFW_REPORT_START_FAILED : CFW_REPORT_STARTED, attempt, rc ? &err : NULL);
}

/* ---- stop ---- */

void cfw_http_listener_done(struct cfw_http *s, int i)
{
	if (s->bound[i]) {
		cfw_accept_watch(&s->accept, i, NULL);
		evhttp_del_accept_socket(s->http, s->bound[i]); /* closes the descriptor */
		s->bound[i] = NULL;
		s->listeners[i].fd = -1;
	}
	cfw_listen_close(&s->listeners[i]);
}

void cfw_http_down(struct cfw_http *s)
{
	if (s->phase == CFW_HTTP_DOWN)
		return;
	cfw_http_adopt(s);
	for (int i = 0; s->bound && s->listeners && i < s->n_addrs; i++)
		cfw_http_listener_done(s, i);
	if (s->http)
		evhttp_free(s->http); /* frees the connections, each of which says so to us */
	s->http = NULL;
	cfw_http_linger_end(s);
	struct cfw_http_request *r, *next;
	for (r = LIST_FIRST(&s->requests); r; r = next) {
		next = LIST_NEXT(r, link);
		LIST_REMOVE(r, link);
		r->srv = NULL;
	}
	event_del(&s->adopt);
	event_del(&s->turn);
	event_del(&s->timer);
	cfw_accept_clear(&s->accept);
	s->timer_ns = CFW_NEVER;
	if (s->scratch)
		evbuffer_free(s->scratch);
	s->scratch = NULL;
	free(s->listeners);
	free(s->bound);
	free(s->address);
	s->listeners = NULL;
	s->bound = NULL;
	s->address = NULL;
	s->phase = CFW_HTTP_DOWN;
}

void cfw_http_stopped(struct cfw_http *s)
{
	cfw_http_down(s);
	report(s, CFW_REPORT_STOPPED, s->attempt, NULL);
}

static void lame(void *srv)
{
	struct cfw_http *s = srv;
	s->lame = true;
}

static void unlame(void *srv)
{
	struct cfw_http *s = srv;
	if (s->phase == CFW_HTTP_SERVING)
		s->lame = false;
}

static void stop(void *srv, const struct cfw_stop *how)
{
	struct cfw_http *s = srv;
	s->attempt = how->attempt;
	s->hurried = how->hurried;
	if (s->phase == CFW_HTTP_DOWN)
		cfw_http_stopped(s);
	else if (s->phase == CFW_HTTP_SERVING)
		cfw_http_drain(s);
}

static void cut(void *srv, uint32_t attempt)
{
	struct cfw_http *s = srv;
	s->attempt = attempt;
	if (s->phase == CFW_HTTP_DOWN)
		cfw_http_stopped(s);
	else
		cfw_http_cut(s);
}

/* ---- reload ---- */

static int prepare(void *srv, struct curfew_err *err)
{
	struct cfw_http *s = srv;
	return cfw_listen_prepare(s->env, s->id, s->name, s->addrs, s->n_addrs, &s->ready, err);
}

static int hand_over(void *srv, const char *address, bool take)
{
	struct cfw_http *s = srv;
	return s->phase == CFW_HTTP_SERVING ? cfw_listen_hand_over(s->listeners, s->addrs, s->n_addrs, address, take) : -1;
}

static bool fits(const void *srv, const void *next)
{
	const struct cfw_http *s = srv, *n = next;
	return s->phase == CFW_HTTP_DOWN || cfw_listen_same(s->addrs, s->n_addrs, n->addrs, n->n_addrs);
}

/* Connections that are open keep the limits of size that they began with. */
static bool renew(void *srv, void *next)
{
	struct cfw_http *s = srv, *n = next;
	struct cfw_routes *routes = s->routes;
	if (s->phase == CFW_HTTP_DOWN)
		cfw_listen_swap(&s->addrs, &s->n_addrs, &n->addrs, &n->n_addrs);
	s->routes = n->routes;
	n->routes = routes;
	s->handler = n->handler;
	s->has_handler = n->has_handler;
	s->keep_alive_ns = n->keep_alive_ns;
	s->grace_ns = n->grace_ns;
	s->drain_ns = n->drain_ns;
	s->request_ns = n->request_ns;
	s->write_stall_ns = n->write_stall_ns;
	s->max_body = n->max_body;
	s->max_headers = n->max_headers;
	s->high_water = n->high_water;
	if (s->http) {
		evhttp_set_max_body_size(s->http, (ev_ssize_t)s->max_body);
		evhttp_set_max_headers_size(s->http, (ev_ssize_t)s->max_headers);
	}
	if (s->phase == CFW_HTTP_SERVING)
		cfw_http_sweep(s); /* by the limits of now */
	return false;
}

/* ---- reads ---- */

static void set(struct cfw_value *map, const char *key, uint64_t n)
{
	cfw_value_set(map, key, cfw_value_int((int64_t)n));
}

static struct cfw_value *stats(void *srv)
{
	const struct cfw_http *s = srv;
	static const char *const classes[] = {NULL, "1xx", "2xx", "3xx", "4xx", "5xx"};
	struct cfw_value *map = cfw_value_map(), *replies = cfw_value_map();
	set(map, "requests", s->stats.requests);
	set(map, "in_flight", s->n[CFW_HTTP_BUSY] + s->n[CFW_HTTP_WATCHED]);
	set(map, "connections", s->n_conns + s->n_lingering);
	set(map, "idle", s->n[CFW_HTTP_NEW] + s->n[CFW_HTTP_IDLE]);
	set(map, "accepted", s->stats.accepted);
	for (int i = 2; i <= 5; i++)
		set(replies, classes[i], s->stats.replies[i]);
	cfw_value_set(map, "replies", replies);
	set(map, "errors_500", s->stats.errors_500);
	set(map, "gone", s->stats.gone);
	set(map, "cut", s->stats.cut);
	set(map, "bytes_out", s->stats.bytes_out);
	set(map, "accept_errors", s->accept.errors);
	return map;
}

static const char *address(void *srv)
{
	return ((struct cfw_http *)srv)->address;
}

const struct cfw_kind cfw_http_kind = {
	.size = sizeof(struct cfw_kind),
	.name = "http",
	.open = open_server,
	.free = free_server,
	.start = start,
	.stop = stop,
	.cut = cut,
	.lame = lame,
	.last = cfw_http_last,
	.unlame = unlame,
	.hurry = cfw_http_hurry,
	.stats = stats,
	.takes_requests = true,
	.address = address,
	.fits = fits,
	.renew = renew,
	.prepare = prepare,
	.hand_over = hand_over,
	.beside = true,
};
