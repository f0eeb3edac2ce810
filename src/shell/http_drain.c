/* The drain (S9.1, S9.2), phase by phase:
 *
 *   lame        every reply says Connection: close; the listener is as open as ever
 *   stop        the kernel lets nobody new in; those it had let in are accepted and served (DRAIN_QUEUE)
 *   grace       idle and never-used connections may still send for idle_grace, counted for each from its own last reply or its
 *               connect, at the earliest from the stop; what sends is served, what does not is closed (DRAIN_CONNS), one after
 *               the other over close_spread
 *   the end     when the last connection is gone, or drain is over; the core's own deadline comes as cut
 *
 * A cut spares what only has to be written: a reply that is complete, such as the 500 of the request whose error ends the process
 * (S4.2, S6.4). What the kernel does not take at once has FLUSH_TIME (FLUSHING). */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>

#include "base/log.h"
#include "base/text.h"
#include "base/time.h"
#include "shell/http_server.h"

/* Half a request that stands still: in a drain it may take so long between two packets, that a client that went away half way
 * does not hold up the end. */
#define READ_STALL_DRAIN (1 * CFW_SEC)
/* What a request may have been on its way when idle_grace ends. */
#define GRACE_SLACK (10 * CFW_MS)
/* Within the 100 ms that an abort waits for those it has cut (S4.2). */
#define FLUSH_TIME (90 * CFW_MS)
enum { LOG_AT_MOST = 10 };

static uint64_t now_ns(const struct cfw_http *s)
{
	return s->env->now_ns(s->env->ud);
}

static uint64_t grace_ns(const struct cfw_http *s)
{
	return s->hurried ? 0 : s->grace_ns;
}

uint64_t cfw_http_limit(const struct cfw_http_conn *c)
{
	const struct cfw_http *s = c->srv;
	bool draining = s->phase >= CFW_HTTP_DRAIN_QUEUE;
	switch (c->state) {
	case CFW_HTTP_NEW:
	case CFW_HTTP_IDLE:
		if (!draining)
			return cfw_time_add(c->since_ns, s->keep_alive_ns);
		return cfw_time_add(cfw_time_max(c->since_ns, s->stop_ns), cfw_time_add(grace_ns(s), GRACE_SLACK));
	case CFW_HTTP_READING:
	case CFW_HTTP_REFUSED: {
		uint64_t end = c->late_ns ? c->late_ns : cfw_time_add(c->since_ns, s->request_ns);
		return draining ? cfw_time_min(end, cfw_time_max(c->last_ns, s->stop_ns) + READ_STALL_DRAIN) : end;
	}
	default:
		return CFW_NEVER;
	}
}

uint64_t cfw_http_idle_due(struct cfw_http *s, const struct cfw_http_conn *c)
{
	uint64_t limit = cfw_http_limit(c);
	if (s->phase < CFW_HTTP_DRAIN_QUEUE || s->spread_ns == 0 || s->hurried)
		return limit;
	if (s->spread_of == 0 && limit <= now_ns(s))
		s->spread_of = s->n[CFW_HTTP_NEW] + s->n[CFW_HTTP_IDLE];
	if (s->spread_of == 0)
		return limit;
	/* By floating point: the product may be past what 64 bits hold. */
	double part = (double)(s->spread_done < s->spread_of ? s->spread_done : s->spread_of) / (double)s->spread_of;
	uint64_t first = cfw_time_add(s->stop_ns, grace_ns(s) + GRACE_SLACK);
	return cfw_time_max(limit, cfw_time_add(first, (uint64_t)(part * (double)s->spread_ns)));
}

/* Nothing but to be written is left of its reply. */
static bool is_complete(const struct cfw_http_conn *c)
{
	return c->refused || (c->req && c->req->ev && c->req->ended);
}

static void log_request(const struct cfw_http *s, const struct cfw_http_conn *c)
{
	const struct cfw_http_request *r = c->req;
	char age[32], peer[CFW_PEER_TEXT];
	cfw_listen_peer(evhttp_connection_get_addr(c->con), peer, sizeof peer);
	cfw_format_duration(age, sizeof age, now_ns(s) - c->since_ns);
	cfw_log_with(s->env->log, CFW_WARN, "request cut", "server", s->name, "method", cfw_http_method_name(r->ev), "target",
		     evhttp_request_get_uri(r->ev), "peer", peer, "age", age, "state",
		     r->ended   ? "writing the reply"
		     : r->begun ? "streaming"
				: "waiting for its handler",
		     NULL);
}

/* S9.4: say what is in flight and will be lost, and count it. spare: not the complete replies. */
static void log_cut(struct cfw_http *s, const char *why, bool spare)
{
	size_t busy = 0, conns = s->n_conns, logged = 0;
	struct cfw_http_conn *c;
	for (enum cfw_http_state st = CFW_HTTP_NEW; st < CFW_HTTP_STATES; st++)
		for (c = TAILQ_FIRST(&s->conns[st]); c; c = TAILQ_NEXT(c, link)) {
			if (spare && is_complete(c))
				conns--;
			else
				busy += st >= CFW_HTTP_BUSY;
		}
	if (!conns)
		return;
	s->stats.cut += busy;
	cfw_log_at(s->env->log, CFW_WARN, "%s: %s with %zu requests in flight on %zu connections", s->name, why, busy, conns);
	for (enum cfw_http_state st = CFW_HTTP_WATCHED; st >= CFW_HTTP_BUSY; st--)
		for (c = TAILQ_FIRST(&s->conns[st]); c; c = TAILQ_NEXT(c, link)) {
			if (!c->req || !c->req->ev || (spare && is_complete(c)))
				continue;
			if (logged++ == LOG_AT_MOST)
				return;
			log_request(s, c);
		}
}

/* Does the kernel still hold connections that it let in? */
static bool queue_left(struct cfw_http *s)
{
	bool left = s->accept.failed;
	for (int i = 0; !s->accept.failed && i < s->n_addrs; i++)
		left |= cfw_listen_queued(&s->listeners[i]);
	return left;
}

static void close_listeners(struct cfw_http *s, bool all)
{
	for (int i = 0; i < s->n_addrs; i++)
		if (all || s->listeners[i].family == AF_UNIX)
			cfw_http_listener_done(s, i);
}

static bool any_listener(const struct cfw_http *s)
{
	for (int i = 0; i < s->n_addrs; i++)
		if (s->listeners[i].fd >= 0)
			return true;
	return false;
}

/* Give the kernel what it takes of a reply, without a turn of the loop: there may be none any more, and mostly it takes all. */
static void write_out(struct cfw_http_conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bufferevent_disable(c->bev, EV_READ);
	evbuffer_unfreeze(out, 1); /* as the bufferevent itself does to write */
	(void)evbuffer_write(out, bufferevent_getfd(c->bev));
	evbuffer_freeze(out, 1);
}

/* Close all but those that still have a complete reply to write. */
static void keep_writers(struct cfw_http *s)
{
	for (enum cfw_http_state st = CFW_HTTP_NEW; st < CFW_HTTP_STATES; st++)
		for (struct cfw_http_conn *c = TAILQ_FIRST(&s->conns[st]), *next; c; c = next) {
			next = TAILQ_NEXT(c, link);
			if (!is_complete(c) || !evbuffer_get_length(bufferevent_get_output(c->bev)))
				cfw_http_conn_close(c);
		}
}

static void flush_step(struct cfw_http *s)
{
	keep_writers(s);
	if (s->n_conns && now_ns(s) < s->drain_end_ns) {
		cfw_http_sweep_by(s, s->drain_end_ns);
		return;
	}
	log_cut(s, "cut", false);
	cfw_http_stopped(s);
}

void cfw_http_cut(struct cfw_http *s)
{
	if (s->phase == CFW_HTTP_FLUSHING) {
		log_cut(s, "cut", false);
		cfw_http_stopped(s);
		return;
	}
	cfw_http_adopt(s);
	close_listeners(s, true);
	s->lame = true;
	s->accept.failed = false; /* nor does the turn event wait for it */
	for (enum cfw_http_state st = CFW_HTTP_NEW; st < CFW_HTTP_STATES; st++)
		for (struct cfw_http_conn *c = TAILQ_FIRST(&s->conns[st]); c; c = TAILQ_NEXT(c, link))
			if (is_complete(c))
				write_out(c);
	log_cut(s, "cut", true);
	s->phase = CFW_HTTP_FLUSHING;
	s->drain_end_ns = now_ns(s) + FLUSH_TIME;
	flush_step(s);
}

/* It was cut, and what it had to write was not taken in time. */
void cfw_http_last(void *srv)
{
	struct cfw_http *s = srv;
	if (s->phase == CFW_HTTP_FLUSHING)
		log_cut(s, "cut", false);
}

void cfw_http_drain_step(struct cfw_http *s)
{
	uint64_t now = now_ns(s), grace_end = cfw_time_add(s->stop_ns, grace_ns(s));
	if (s->phase < CFW_HTTP_DRAIN_QUEUE)
		return;
	if (s->phase == CFW_HTTP_FLUSHING) {
		flush_step(s);
		return;
	}
	if (now >= s->drain_end_ns) {
		log_cut(s, "drain is over", false);
		cfw_http_stopped(s);
		return;
	}
	cfw_http_adopt(s);
	bool left = any_listener(s) && queue_left(s);
	if (s->phase == CFW_HTTP_DRAIN_QUEUE && !left) {
		s->phase = CFW_HTTP_DRAIN_CONNS;
		close_listeners(s, false);
	}
	cfw_http_sweep(s);
	cfw_http_sweep_by(s, s->drain_end_ns);
	if (left) {
		cfw_listen_bar_all(s->listeners, s->n_addrs);
		cfw_http_turn_soon(s);
		return;
	}
	/* A TCP listener, barred, stays while there are connections, until the grace ends: a client may have its half of a handshake
	 * already, and the last step of it still be on its way over the network. */
	if (s->n_conns && now < grace_end) {
		if (any_listener(s))
			cfw_http_sweep_by(s, grace_end);
		return;
	}
	close_listeners(s, true);
	if (!s->n_conns && !s->n_lingering)
		cfw_http_stopped(s);
}

void cfw_http_hurry(void *srv)
{
	struct cfw_http *s = srv;
	if (s->phase < CFW_HTTP_DRAIN_QUEUE || s->phase == CFW_HTTP_FLUSHING)
		return;
	s->hurried = true;
	cfw_http_drain_step(s);
}

void cfw_http_drain(struct cfw_http *s)
{
	s->lame = true;
	s->stop_ns = now_ns(s);
	s->spread_of = s->spread_done = 0;
	s->drain_end_ns = cfw_time_add(s->stop_ns, s->drain_ns);
	cfw_http_adopt(s);
	s->phase = CFW_HTTP_DRAIN_QUEUE;
	for (int i = 0; i < s->n_addrs; i++) /* who waits there is the successor's */
		if (s->listeners[i].shared)
			cfw_http_listener_done(s, i);
	/* Who connects and leaves again, as a check of the port does, is no client to wait for the next one of. */
	if (s->n_conns || (s->last_client_ns && cfw_time_add(s->last_client_ns, CFW_LISTEN_QUIET) > s->stop_ns))
		cfw_listen_bar_all(s->listeners, s->n_addrs);
	cfw_http_drain_step(s);
}
