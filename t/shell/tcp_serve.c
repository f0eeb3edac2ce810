/* The kind "tcp": conversations, back-pressure, the stop. */
#define _GNU_SOURCE
#include <sys/ioctl.h>

#include "http_harness.h"
#include "shell/tcp.h"

enum { HANDLER = 1 };

static int take(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h, (void)x;
	return ref == HANDLER ? 0 : CURFEW_EINVAL;
}

static int refuse(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h, (void)ref, (void)x;
	return CURFEW_ESTATE;
}

static int greet(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h, (void)ref;
	x->ops->write(x, "hello", 5);
	x->ops->release(x);
	return 0;
}

static struct harness *set_up(const char *addr)
{
	struct harness *h = h_new(&cfw_tcp_kind);
	h->serve = take;
	h_listen(h, addr);
	cfw_value_set(h->def, "handler", cfw_value_ref(HANDLER));
	return h;
}

/* Read once for policy; the answer is in h. */
static void read_one(struct harness *h, struct cfw_exchange *x, size_t max)
{
	static uint64_t token = 100;
	x->ops->read(x, max, ++token);
	until(h, h->answered == token);
	is_int((long long)h->answered, (long long)token, "a read is answered");
}

static struct client *connected(struct harness *h)
{
	int before = h->served;
	struct client *c = client_new(h);
	until(h, h->served > before);
	return c;
}

static void test_conversation(struct harness *h)
{
	struct client *c = connected(h);
	struct cfw_exchange *x = h->last;
	is_int(x->kind, CFW_X_TCP, "a connection is handed to policy");
	ok(!strncmp(cfw_value_get_str(x->request, "peer", ""), "127.0.0.1:", 10), "with its peer");
	client_send(c, "ping");
	read_one(h, x, 0);
	is_str(h->answer, "ping", "what it reads");
	client_send(c, "abcdef");
	read_one(h, x, 4);
	is_str(h->answer, "abcd", "at most max");
	read_one(h, x, 4);
	is_str(h->answer, "ef", "then the rest");
	is_int(x->ops->read(x, 0, 7), 0, "a read waits");
	is_int(x->ops->read(x, 0, 8), CURFEW_ESTATE, "a second at the same time is refused");
	shutdown(c->fd, SHUT_WR);
	until(h, h->answered == 7);
	ok(h->answered == 7 && h->answer_nil && !h->answer_code, "nil at the end of input");
	is_int(x->ops->write(x, "bye", 3), 0, "writing goes on after the peer's end of input");
	x->ops->release(x);
	until(h, !client_poll(c));
	is_str(c->buf, "bye", "and arrives");
	ok(c->eof && !c->reset, "then the connection ends");
	is_int(h->gone, 0, "nobody is told that it is gone");
	client_free(c);
}

static void test_closing(struct harness *h)
{
	struct client *c = connected(h);
	struct cfw_exchange *x = h->last;
	x->ops->write(x, "x", 1);
	is_int(x->ops->reply(x, 200, NULL, "", 0), CURFEW_ESTATE, "no HTTP here");
	is_int(x->ops->begin(x, 200, NULL), CURFEW_ESTATE, "nor pieces of it");
	is_int(x->ops->end(x), CURFEW_ESTATE, "nor their end");
	x->ops->read(x, 0, 9);
	x->ops->close(x);
	ok(h->answered == 9 && h->answer_code == CURFEW_ESYS, "a waiting read fails when the connection is closed");
	is_int(x->ops->write(x, "x", 1), CURFEW_ESTATE, "nothing can be written then");
	is_int(x->ops->flush(x, 3), CURFEW_ESTATE, "nor flushed");
	x->ops->release(x);
	until(h, !client_poll(c));
	ok(!client_poll(c), "the client sees the end");
	client_free(c);

	c = connected(h);
	x = h->last;
	struct linger now = {1, 0};
	x->ops->read(x, 0, 10);
	setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close(c->fd);
	c->fd = -1;
	until(h, h->answered == 10);
	ok(h->answered == 10 && h->answer_code == CURFEW_ESYS, "a reset fails a waiting read");
	is_int(x->ops->read(x, 0, 11), 0, "and the next");
	ok(h->answered == 11 && h->answer_code == CURFEW_ESYS, "in the same way");
	ok(x->ops->write(x, "x", 1) == CURFEW_ESYS && errno == ECONNRESET, "and so do a write");
	is_int(x->ops->flush(x, 12), CURFEW_ESYS, "and a flush");
	x->ops->release(x);
	client_free(c);

	/* Bytes that policy never read must not turn its answer into a reset. */
	h->serve = greet;
	c = client_new(h);
	client_send(c, "unread");
	until(h, !client_poll(c));
	is_str(c->buf, "hello", "an answer arrives though what was sent lay unread");
	ok(c->eof && !c->reset, "without a reset");
	client_free(c);
	h->serve = refuse;
	c = connected(h);
	until(h, !client_poll(c));
	ok(!client_poll(c), "a connection that policy does not take is closed");
	client_free(c);
	h->serve = take;
}

static void test_pressure(struct harness *h)
{
	static char big[1 << 16];
	struct client *c = connected(h);
	struct cfw_exchange *x = h->last;
	size_t sent = 0, got = 0;
	int idle = 0;
	while (idle < 50 && sent < 64u << 20) {
		ssize_t n = send(c->fd, big, sizeof big, MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		h_turn(h);
	}
	ok(sent < 64u << 20, "nobody reads: the sender is held back (after %zu bytes)", sent);
	x->ops->read(x, 0, 20);
	until(h, h->answered == 20);
	ok(h->answer_len > 0 && h->answer_len <= sizeof big, "no more than 64 KB is read ahead (%zu)", h->answer_len);
	got += h->answer_len;
	uint64_t token = 1000, end = cfw_time_now() + 5 * CFW_SEC;
	while (got < sent && cfw_time_now() < end) {
		x->ops->read(x, 0, ++token);
		while (h->answered != token && cfw_time_now() < end)
			h_turn(h);
		got += h->answer_len;
	}
	is_int((long long)got, (long long)sent, "every byte arrives once somebody reads");

	for (int i = 0; i < 200; i++)
		x->ops->write(x, big, sizeof big);
	int before = h->answers;
	is_int(x->ops->flush(x, 30), 0, "a flush");
	for (int i = 0; i < 20; i++)
		h_turn(h);
	is_int(h->answers, before, "waits while the peer does not read");
	size_t taken = 0;
	until(h, (client_clear(c), client_poll(c), taken += c->len, h->answered == 30));
	ok(h->answered == 30 && h->answer_true, "and is answered once it does");
	x->ops->release(x);
	until(h, (client_clear(c), !client_poll(c)));
	client_free(c);
}

static void test_limit(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c[3];
	struct cfw_exchange *first;
	cfw_value_set(h->def, "max_connections", cfw_value_int(2));
	ok(h_start(h), "max_connections");
	c[0] = connected(h);
	first = h->last;
	c[1] = connected(h);
	c[2] = client_new(h);
	for (int i = 0; i < 20; i++)
		h_turn(h);
	is_int(h->served, 2, "no more than that many are served at a time");
	first->ops->release(first);
	until(h, h->served == 3);
	is_int(h->served, 3, "one that waited is, when another has ended");
	h->kind->cut(h->srv, 5);
	is_int(h->stopped, 1, "cut reports at once");
	is_int(h->attempt, 5, "with its number");
	is_int(h->gone, 2, "and says of each connection that it is gone");
	ok(strstr(h->logged, "2 connections open"), "S9.4: what is cut is logged");
	for (int i = 0; i < 3; i++)
		client_free(c[i]);
	h_free(h);
}

static void test_stop(const char *addr)
{
	struct harness *h = set_up(addr);
	struct client *old, *queued[20];
	ok(h_start(h), "%s: starts", addr);
	char *where = strdup(h->kind->address(h->srv));
	old = connected(h);
	struct cfw_exchange *x = h->last;
	h->serve = greet;
	for (int i = 0; i < 20; i++)
		queued[i] = client_to(where);
	h_stop(h);
	int greeted = 0;
	for (int i = 0; i < 20; i++) {
		until(h, !client_poll(queued[i]));
		greeted += !strcmp(queued[i]->buf, "hello") && queued[i]->eof;
		client_free(queued[i]);
	}
	is_int(greeted, 20, "S9.1: %s: what the kernel had queued before the stop is served", addr);
	is_int(h->stopped, 0, "a connection that goes on holds the stop");
	int late = dial(where);
	ok(late < 0 && (errno == ECONNREFUSED || errno == ENOENT), "nobody new is let in");
	x->ops->write(x, "end", 3);
	x->ops->release(x);
	until(h, h->stopped);
	is_int(h->stopped, 1, "stopped when the last has ended");
	ok(has(old, "end"), "in peace");
	is_int(h->gone, 0, "nobody was cut");
	if (!strncmp(where, "unix:", 5))
		ok(access(where + 5, F_OK) < 0, "the socket file is gone");
	client_free(old);
	free(where);
	h_free(h);
}

static void test_drain(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	cfw_value_set(h->def, "drain", cfw_value_int((int64_t)(30 * CFW_MS)));
	h_start(h);
	struct client *c = connected(h);
	uint64_t began = cfw_time_now();
	h_stop(h);
	until(h, h->stopped);
	ok(h->stopped == 1 && cfw_time_now() - began >= 30 * CFW_MS, "drain bounds the stop");
	is_int(h->gone, 1, "what was open is cut");
	ok(strstr(h->logged, "drain is over"), "and logged");
	is_int(h->attempt, 2, "STOPPED answers the stop");
	client_free(c);
	ok(h_start(h), "it starts again");
	h_stop(h);
	is_int(h->stopped, 2, "with nobody connected a stop is immediate");
	h_stop(h);
	is_int(h->stopped, 3, "stopping what is down reports, too");
	h_free(h);
}

static void test_bad(void)
{
	struct harness *h = h_new(&cfw_tcp_kind);
	h_listen(h, "127.0.0.1:0");
	ok(!h_start(h), "no handler");
	is_str(h->err.msg, "web: handler is missing: a function", "says so");
	h_free(h);
	h = h_new(&cfw_tcp_kind);
	cfw_value_set(h->def, "handler", cfw_value_ref(HANDLER));
	ok(!h_start(h), "no address");
	ok(strstr(h->err.msg, "web: listen is missing"), "says so: %s", h->err.msg);
	h_free(h);
}

int main(void)
{
	char dir[] = "/tmp/curfew-tcp-XXXXXX", addr[64];
	int fds = count_fds();
	struct harness *h = set_up("127.0.0.1:0");
	ok(h_start(h), "starts");
	test_conversation(h);
	test_closing(h);
	test_pressure(h);
	until(h, h_stat(h, "connections") == 0);
	is_int(h_stat(h, "connections"), 0, "every connection has ended");
	h_free(h);
	test_limit();
	test_stop("127.0.0.1:0");
	if (mkdtemp(dir)) {
		snprintf(addr, sizeof addr, "unix:%s/sock", dir);
		test_stop(addr);
		rmdir(dir);
	}
	test_drain();
	test_bad();
	is_int(count_fds(), fds, "no descriptor is left");
	return tap_done();
}
