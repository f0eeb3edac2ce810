/* The registry of connections. evhttp tells of a connection when its first request is complete, and of its end only to whom it
 * was told of it before; a drain has to know those that were never used, too. So:
 *
 * evhttp asks us for a bufferevent as it accepts (evhttp_set_bevcb), and then makes the connection the argument of the
 * bufferevent's callbacks, where bufferevent_getcb finds it. That is the one fact about evhttp's inside that we build on; it holds
 * in every libevent since 2.0 (open_server checks the version), and http_request.c compares the pointer with the one that evhttp
 * names with each request. An event that is active runs before the loop polls again, so we hold the connection before its first
 * byte is read, and its close callback tells us of its end, however it comes. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/time.h"
#include "shell/http_server.h"

/* Most that is read ahead of a reply that is not out yet; what is past it stays in the kernel. */
enum { READ_AHEAD = 64 << 10 };
#define WATCH_AFTER (25 * CFW_MS)
/* A request whose time is up has so long to be read nevertheless, where it is the loop that did not turn. */
#define LATE (50 * CFW_MS)

static uint64_t now_ns(const struct cfw_http *s)
{
	return s->env->now_ns(s->env->ud);
}

/* ---- from evhttp ---- */

/* Bytes came in, or evhttp took some out. */
static void on_input(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *conn)
{
	struct cfw_http_conn *c = conn;
	c->srv->touched = c;
	if (!info->n_added)
		return;
	if (c->state == CFW_HTTP_READING)
		c->last_ns = now_ns(c->srv);
	else if (c->state == CFW_HTTP_NEW || c->state == CFW_HTTP_IDLE)
		cfw_http_conn_move(c, CFW_HTTP_READING);
	else if (evbuffer_get_length(buf) >= READ_AHEAD)
		bufferevent_disable(c->bev, EV_READ); /* evhttp enables it for the next request */
}

static void count_refusal(struct cfw_http *s, int class)
{
	s->stats.requests++;
	s->stats.replies[class]++;
}

/* What evhttp says by itself, to what it cannot read (400, 413, 501), is a reply like others; only "100 Continue" is none. It
 * writes the status line first, in one piece. It closes behind it, but not behind CONNECT. */
static void on_output(struct evbuffer *buf, const struct evbuffer_cb_info *info, void *conn)
{
	struct cfw_http_conn *c = conn;
	struct evbuffer_ptr at;
	char line[10] = "";
	if (c->refused && info->n_deleted && !evbuffer_get_length(buf))
		cfw_http_sweep_by(c->srv, now_ns(c->srv));
	if (!info->n_added || c->req || c->refused)
		return;
	/* A "100 Continue" may stand before it. */
	if (evbuffer_ptr_set(buf, &at, info->orig_size, EVBUFFER_PTR_SET) ||
	    evbuffer_copyout_from(buf, &at, line, sizeof line) < (ev_ssize_t)sizeof line || line[9] < '2' || line[9] > '5')
		return;
	c->refused = true;
	cfw_http_conn_move(c, CFW_HTTP_REFUSED);
	count_refusal(c->srv, line[9] - '0');
}

static void forget_buffers(struct cfw_http_conn *c)
{
	evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->in);
	evbuffer_remove_cb_entry(bufferevent_get_output(c->bev), c->out);
}

static void on_close(struct evhttp_connection *con, void *conn)
{
	struct cfw_http_conn *c = conn;
	struct cfw_http *s = c->srv;
	(void)con;
	forget_buffers(c);
	if (c->req)
		cfw_http_request_lost(c->req);
	else if (c->refused || c->last)
		cfw_http_linger(c);
	TAILQ_REMOVE(&s->conns[c->state], c, link);
	s->n[c->state]--;
	s->n_conns--;
	if (s->touched == c)
		s->touched = NULL;
	free(c);
	if (s->phase >= CFW_HTTP_DRAIN_QUEUE)
		cfw_http_turn_soon(s);
}

struct bufferevent *cfw_http_conn_new(struct event_base *base, void *srv)
{
	struct cfw_http *s = srv;
	struct cfw_http_conn *c = calloc(1, sizeof *c);
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	if (c && bev)
		c->in = evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
	if (c && c->in && !(c->out = evbuffer_add_cb(bufferevent_get_output(bev), on_output, c)))
		evbuffer_remove_cb_entry(bufferevent_get_input(bev), c->in);
	if (!c || !c->out) {
		/* evhttp makes a bufferevent of its own for NULL. Its connection will be served, though a drain does not see it. */
		free(c);
		return bev;
	}
	c->srv = s;
	c->bev = bev;
	struct timeval write_stall = {(time_t)(s->write_stall_ns / CFW_SEC), (suseconds_t)(s->write_stall_ns % CFW_SEC / 1000)};
	bufferevent_set_timeouts(bev, NULL, &write_stall);
	bufferevent_setwatermark(bev, EV_READ, 0, s->high_water);
	bufferevent_incref(bev);
	if (TAILQ_EMPTY(&s->fresh))
		event_active(&s->adopt, EV_TIMEOUT, 0);
	TAILQ_INSERT_TAIL(&s->fresh, c, link);
	return bev;
}

void cfw_http_adopt(struct cfw_http *s)
{
	struct cfw_http_conn *c;
	while ((c = TAILQ_FIRST(&s->fresh))) {
		bufferevent_data_cb read = NULL, write = NULL;
		bufferevent_event_cb event = NULL;
		void *con = NULL;
		TAILQ_REMOVE(&s->fresh, c, link);
		bufferevent_getcb(c->bev, &read, &write, &event, &con);
		if (!event || !con) { /* evhttp has given it up again */
			forget_buffers(c);
			bufferevent_decref(c->bev);
			free(c);
			continue;
		}
		c->con = con;
		evhttp_connection_set_closecb(con, on_close, c);
		bufferevent_decref(c->bev);
		c->state = CFW_HTTP_NEW;
		c->since_ns = now_ns(s);
		TAILQ_INSERT_TAIL(&s->conns[CFW_HTTP_NEW], c, link);
		s->n[CFW_HTTP_NEW]++;
		s->n_conns++;
		s->stats.accepted++;
		cfw_http_sweep_by(s, cfw_http_limit(c));
	}
}

struct cfw_http_conn *cfw_http_conn_of(struct cfw_http *s, struct evhttp_connection *con)
{
	struct cfw_http_conn *c = s->touched;
	if (c && c->con == con)
		return c;
	for (int i = 0; i < CFW_HTTP_STATES; i++)
		TAILQ_FOREACH(c, &s->conns[i], link)
	if (c->con == con)
		return c;
	return NULL;
}

/* ---- states ---- */

void cfw_http_conn_move(struct cfw_http_conn *c, enum cfw_http_state to)
{
	struct cfw_http *s = c->srv;
	if (!c->con)
		return;
	TAILQ_REMOVE(&s->conns[c->state], c, link);
	s->n[c->state]--;
	/* A watched request keeps the time when it began. */
	if (to != CFW_HTTP_WATCHED)
		c->since_ns = c->last_ns = now_ns(s);
	if (to == CFW_HTTP_READING || to == CFW_HTTP_BUSY)
		s->last_client_ns = c->last_ns;
	c->late_ns = 0;
	c->state = to;
	TAILQ_INSERT_TAIL(&s->conns[to], c, link);
	s->n[to]++;
	cfw_http_sweep_by(s, to == CFW_HTTP_BUSY ? c->since_ns + WATCH_AFTER : cfw_http_limit(c));
}

void cfw_http_conn_rest(struct cfw_http_conn *c)
{
	bool more = evbuffer_get_length(bufferevent_get_input(c->bev)) > 0;
	c->req = NULL;
	cfw_http_conn_move(c, more ? CFW_HTTP_READING : CFW_HTTP_IDLE);
	if (c->srv->phase == CFW_HTTP_FLUSHING)
		cfw_http_turn_soon(c->srv);
}

void cfw_http_conn_close(struct cfw_http_conn *c)
{
	/* A callback of the bufferevent may be running, which keeps it until it returns, while evhttp closes the descriptor at once:
	 * its events have to go first. */
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	evhttp_connection_free(c->con); /* on_close frees c */
}

/* While a handler works evhttp does not read, so it would not see the client leave. Do what it does itself while it writes a
 * reply: read, but hand nothing on; an end of input then closes the connection. Not where the client said that this is its last
 * request: it may have closed its sending half, and still wait for the answer. */
static void watch(struct cfw_http_conn *c)
{
	bufferevent_data_cb read, write;
	bufferevent_event_cb event;
	void *con;
	cfw_http_conn_move(c, CFW_HTTP_WATCHED);
	if (!c->req || c->req->close || c->req->begun)
		return;
	bufferevent_getcb(c->bev, &read, &write, &event, &con);
	bufferevent_setcb(c->bev, NULL, write, event, con);
	bufferevent_enable(c->bev, EV_READ);
}

/* Bytes that the kernel holds and we have not read: the connection is not idle, whatever we thought. */
static bool has_unread(const struct cfw_http_conn *c)
{
	int n = 0;
	return ioctl(bufferevent_getfd(c->bev), FIONREAD, &n) == 0 && n > 0;
}

static void time_out(struct cfw_http_conn *c)
{
	static const char text[] = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
	if (!c->refused && !evbuffer_get_length(bufferevent_get_output(c->bev))) {
		(void)!send(bufferevent_getfd(c->bev), text, sizeof text - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		c->last = true;
		count_refusal(c->srv, 4);
	}
	cfw_http_conn_close(c);
}

/* Its time is up; has it any left? Bytes that we have not read are no fault of the client. */
static bool is_spared(struct cfw_http_conn *c, uint64_t now)
{
	if (c->late_ns || c->refused || !has_unread(c))
		return false;
	c->last_ns = now;
	if (cfw_http_limit(c) <= now)
		c->late_ns = now + LATE;
	return true;
}

/* The part of the sweep for those that have sent nothing since. Returns when the next of them is due. */
static uint64_t sweep_idle(struct cfw_http *s, enum cfw_http_state st, uint64_t now)
{
	struct cfw_http_conn *c;
	while ((c = TAILQ_FIRST(&s->conns[st])) && cfw_http_idle_due(s, c) <= now) {
		if (has_unread(c)) {
			cfw_http_conn_move(c, CFW_HTTP_READING);
			continue;
		}
		s->spread_done++;
		cfw_http_conn_close(c);
	}
	return c ? cfw_http_idle_due(s, c) : CFW_NEVER;
}

/* The part of the sweep for those with half a request, or a refusal to write, likewise. In a drain the order of their list says
 * nothing, for there the last byte counts. */
static uint64_t sweep_half(struct cfw_http *s, enum cfw_http_state st, uint64_t now)
{
	uint64_t next = CFW_NEVER;
	for (struct cfw_http_conn *c = TAILQ_FIRST(&s->conns[st]), *after; c; c = after) {
		after = TAILQ_NEXT(c, link);
		bool written = c->refused && !evbuffer_get_length(bufferevent_get_output(c->bev));
		if (written || (cfw_http_limit(c) <= now && !is_spared(c, now))) {
			time_out(c);
			continue;
		}
		next = cfw_time_min(next, cfw_http_limit(c));
		if (s->phase == CFW_HTTP_SERVING && st == CFW_HTTP_READING && !c->late_ns)
			break;
	}
	return next;
}

void cfw_http_sweep_by(struct cfw_http *s, uint64_t at_ns)
{
	if (at_ns >= s->timer_ns)
		return;
	uint64_t us = (cfw_time_left(now_ns(s), at_ns) + 999) / 1000;
	struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
	if (event_add(&s->timer, &tv) == 0)
		s->timer_ns = at_ns;
}

void cfw_http_sweep(struct cfw_http *s)
{
	uint64_t now = now_ns(s), next = CFW_NEVER;
	struct cfw_http_conn *c;
	while ((c = TAILQ_FIRST(&s->conns[CFW_HTTP_BUSY])) && c->since_ns + WATCH_AFTER <= now)
		watch(c);
	if (c)
		next = c->since_ns + WATCH_AFTER;
	next = cfw_time_min(next, sweep_idle(s, CFW_HTTP_NEW, now));
	next = cfw_time_min(next, sweep_idle(s, CFW_HTTP_IDLE, now));
	next = cfw_time_min(next, sweep_half(s, CFW_HTTP_READING, now));
	next = cfw_time_min(next, sweep_half(s, CFW_HTTP_REFUSED, now));
	cfw_http_sweep_by(s, next);
}
