/* One TCP connection as an exchange. Its end of input is no end of the conversation: policy may still write. It is never told that a
 * connection is gone, save when the server is cut: each operation says so itself. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/err.h"
#include "base/time.h"
#include "base/value.h"
#include "shell/tcp_server.h"

/* Read at most so far ahead of a reader; answer a flush once no more than LOW_WATER is queued. */
enum { READ_AHEAD = 64 << 10, LOW_WATER = 16 << 10 };
/* How long a released connection waits for the peer's end of input where bytes lie unread: closed at once, they would make the
 * kernel send a reset that can destroy what the peer has not read yet. */
static const struct timeval linger = {1, 0};
/* How long a released connection may take nothing of what is left to write. */
static const struct timeval write_stall = {60, 0};

static struct cfw_tcp_conn *conn_of(struct cfw_exchange *x)
{
	return (struct cfw_tcp_conn *)x;
}

static void free_conn(struct cfw_tcp_conn *c)
{
	cfw_value_free(c->value);
	free(c);
}

static void answer(struct cfw_tcp_conn *c, uint64_t *token, struct cfw_value *v, const struct curfew_err *err)
{
	uint64_t t = *token;
	*token = 0;
	c->env->answer(c->env->ud, t, v, err);
}

static void fail(struct cfw_tcp_conn *c, uint64_t *token)
{
	struct curfew_err err = {0};
	if (!*token)
		return;
	errno = c->error ? c->error : EPIPE;
	cfw_err_sys(&err, "%s", "connection");
	answer(c, token, NULL, &err);
}

/* Close the connection; c stays until policy releases it. */
static void shut(struct cfw_tcp_conn *c)
{
	struct cfw_tcp *s = c->srv;
	if (!c->bev)
		return;
	int fd = bufferevent_getfd(c->bev);
	bufferevent_disable(c->bev, EV_READ | EV_WRITE);
	bufferevent_free(c->bev);
	close(fd);
	c->bev = NULL;
	fail(c, &c->read_token);
	fail(c, &c->flush_token);
	TAILQ_REMOVE(&s->conns, c, link);
	s->n_conns--;
	c->srv = NULL;
	if (!c->held)
		free_conn(c);
	cfw_tcp_conn_gone(s);
}

void cfw_tcp_conn_cut(struct cfw_tcp_conn *c)
{
	struct cfw_tcp *s = c->srv;
	bool held = c->held;
	if (!c->error)
		c->error = ECONNABORTED;
	c->held = true;
	shut(c);
	if (held)
		s->env->gone(s->env->ud, &c->x);
	free_conn(c);
}

/* Released: close as soon as all is written, and in a way that lets the peer read it. */
static void finish(struct cfw_tcp_conn *c)
{
	int unread = 0, fd = bufferevent_getfd(c->bev);
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) > 0)
		return;
	ioctl(fd, FIONREAD, &unread);
	if (c->eof || (!unread && !evbuffer_get_length(bufferevent_get_input(c->bev)))) {
		shut(c);
		return;
	}
	struct evbuffer *in = bufferevent_get_input(c->bev);
	c->lingering = true;
	evbuffer_drain(in, evbuffer_get_length(in));
	shutdown(fd, SHUT_WR);
	bufferevent_set_timeouts(c->bev, &linger, NULL);
	bufferevent_enable(c->bev, EV_READ);
}

/* Give a waiting read what there is. */
static void feed(struct cfw_tcp_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t n = evbuffer_get_length(in);
	if (!c->read_token)
		return;
	if (!n) {
		if (c->error)
			fail(c, &c->read_token);
		else if (c->eof)
			answer(c, &c->read_token, NULL, NULL);
		return;
	}
	if (c->read_max && n > c->read_max)
		n = c->read_max;
	struct cfw_value *v = cfw_value_strn((const char *)evbuffer_pullup(in, (ev_ssize_t)n), n);
	struct curfew_err err = {0};
	if (!v)
		cfw_err_set(&err, CURFEW_ENOMEM, "out of memory");
	else
		evbuffer_drain(in, n); /* below the mark the bufferevent reads on */
	answer(c, &c->read_token, v, v ? NULL : &err);
}

/* ---- from the loop ---- */

static void on_read(struct bufferevent *bev, void *conn)
{
	struct cfw_tcp_conn *c = conn;
	if (c->lingering)
		evbuffer_drain(bufferevent_get_input(bev), READ_AHEAD);
	else
		feed(c);
}

static void on_write(struct bufferevent *bev, void *conn)
{
	struct cfw_tcp_conn *c = conn;
	size_t left = evbuffer_get_length(bufferevent_get_output(bev));
	if (c->flush_token && left <= LOW_WATER)
		answer(c, &c->flush_token, cfw_value_bool(true), NULL);
	if (!c->held && !left)
		finish(c);
}

static void on_event(struct bufferevent *bev, short what, void *conn)
{
	struct cfw_tcp_conn *c = conn;
	int e = EVUTIL_SOCKET_ERROR();
	(void)bev;
	if (what & BEV_EVENT_EOF)
		c->eof = true;
	else
		c->error = what & BEV_EVENT_ERROR && e ? e : ETIMEDOUT;
	feed(c);
	if (c->error) {
		fail(c, &c->flush_token);
		shut(c);
	} else if (c->lingering) {
		shut(c);
	} else if (!c->held) {
		finish(c);
	}
}

/* ---- from policy ---- */

/* What an operation on a closed connection returns; errno says why where the peer, or the network, closed it. */
static int closed(const struct cfw_tcp_conn *c)
{
	if (!c->error)
		return CURFEW_ESTATE;
	errno = c->error;
	return CURFEW_ESYS;
}

static int write_some(struct cfw_exchange *x, const void *data, size_t n)
{
	struct cfw_tcp_conn *c = conn_of(x);
	if (!c->bev)
		return closed(c);
	if (n && bufferevent_write(c->bev, data, n))
		return CURFEW_ENOMEM;
	c->srv->bytes_out += n;
	return 0;
}

static int flush(struct cfw_exchange *x, uint64_t token)
{
	struct cfw_tcp_conn *c = conn_of(x);
	if (c->flush_token || !c->bev)
		return c->bev ? CURFEW_ESTATE : closed(c);
	c->flush_token = token;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) <= LOW_WATER)
		answer(c, &c->flush_token, cfw_value_bool(true), NULL);
	return 0;
}

static int read_some(struct cfw_exchange *x, size_t max, uint64_t token)
{
	struct cfw_tcp_conn *c = conn_of(x);
	if (c->read_token || (!c->bev && !c->error))
		return CURFEW_ESTATE;
	c->read_token = token;
	c->read_max = max;
	if (!c->bev) {
		fail(c, &c->read_token);
		return 0;
	}
	feed(c);
	return 0;
}

static void close_now(struct cfw_exchange *x)
{
	if (conn_of(x)->bev)
		shut(conn_of(x));
}

static void release(struct cfw_exchange *x)
{
	struct cfw_tcp_conn *c = conn_of(x);
	c->held = false;
	c->read_token = c->flush_token = 0;
	if (c->bev) {
		bufferevent_set_timeouts(c->bev, NULL, &write_stall);
		finish(c);
	} else {
		free_conn(c);
	}
}

static int no_reply(struct cfw_exchange *x, int status, const struct cfw_value *headers, const void *body, size_t n)
{
	(void)x, (void)status, (void)headers, (void)body, (void)n;
	return CURFEW_ESTATE;
}

static int no_begin(struct cfw_exchange *x, int status, const struct cfw_value *headers)
{
	(void)x, (void)status, (void)headers;
	return CURFEW_ESTATE;
}

static int no_end(struct cfw_exchange *x)
{
	(void)x;
	return CURFEW_ESTATE;
}

static const struct cfw_exchange_ops ops = {
	.reply = no_reply,
	.begin = no_begin,
	.end = no_end,
	.write = write_some,
	.flush = flush,
	.read = read_some,
	.close = close_now,
	.release = release,
};

void cfw_tcp_conn_new(struct cfw_tcp *s, int fd, const struct sockaddr *peer)
{
	char text[CFW_PEER_TEXT];
	struct cfw_tcp_conn *c = calloc(1, sizeof *c);
	if (c) {
		c->bev = bufferevent_socket_new(s->base, fd, 0);
		c->value = cfw_value_map();
	}
	if (!c || !c->bev || cfw_value_set(c->value, "peer", cfw_value_str(cfw_listen_peer(peer, text, sizeof text)))) {
		if (c && c->bev)
			bufferevent_free(c->bev);
		if (c)
			free_conn(c);
		close(fd);
		return;
	}
	c->x.kind = CFW_X_TCP;
	c->x.ops = &ops;
	c->x.request = c->value;
	c->srv = s;
	c->env = s->env;
	c->since_ns = s->env->now_ns(s->env->ud);
	c->held = true;
	TAILQ_INSERT_TAIL(&s->conns, c, link);
	s->n_conns++;
	s->accepted++;
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, READ_AHEAD);
	bufferevent_setwatermark(c->bev, EV_WRITE, LOW_WATER, 0);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (s->env->serve(s->env->ud, s->id, s->handler, &c->x)) {
		c->held = false;
		shut(c);
	}
}
