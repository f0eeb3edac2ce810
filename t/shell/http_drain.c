/* The drain of the kind "http", case by case (S9.1, S9.2, S9.4). Under load: http_load.c. */
#define _GNU_SOURCE
#include <poll.h>

#include "http_harness.h"
#include "shell/http.h"

enum { NOW = 1, HELD, BIG, STREAM };

static char big[8 << 20];

static int serve(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h;
	if (ref == NOW)
		x->ops->reply(x, 200, NULL, "Hello\n", 6);
	else if (ref == BIG)
		x->ops->reply(x, 200, NULL, big, sizeof big);
	else if (ref == STREAM) {
		x->ops->begin(x, 200, NULL);
		x->ops->write(x, "one", 3);
		return 0;
	} else
		return 0;
	x->ops->release(x);
	return 0;
}

static void finish(struct harness *h, const char *body)
{
	h->last->ops->reply(h->last, 200, NULL, body, strlen(body));
	h->last->ops->release(h->last);
	h->last = NULL;
}

static struct harness *set_up(const char *addr)
{
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve;
	h_listen(h, addr);
	h_route(h, "ANY /", NOW);
	h_route(h, "GET /held", HELD);
	h_route(h, "GET /big", BIG);
	h_route(h, "GET /stream", STREAM);
	h_start(h);
	return h;
}

/* The error of a connect, 0 for none, EINPROGRESS when the kernel does not answer for 50 ms. */
static int try_connect(const struct sockaddr_storage *sa, socklen_t len)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), e = 0;
	socklen_t n = sizeof e;
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	if (connect(fd, (const struct sockaddr *)sa, len))
		e = errno;
	if (e == EINPROGRESS && poll(&p, 1, 50) == 1)
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &n);
	close(fd);
	return e;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_nobody(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	h_stop(h);
	is_int(h->stopped, 1, "with no connection a stop is over at once");
	ok(!h->kind->address(h->srv), "it listens nowhere");
	h_stop(h);
	is_int(h->stopped, 2, "stopping what is down reports, too");
	h->kind->cut(h->srv, 9);
	ok(h->stopped == 3 && h->attempt == 9, "and so does cutting it");
	ok(h_start(h), "it starts again");
	struct client *c;
	is_int(ask_once(h, &c, GET("/")), 200, "and serves");
	client_free(c);
	until(h, !h_stat(h, "connections"));
	h_stop(h);
	is_int(h->stopped, 4, "and stops");
	h_free(h);
}

static void test_lame(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *old, *new;
	is_int(ask_once(h, &old, GET("/")), 200, "before a stop");
	ok(!has(old, "Connection:"), "a connection is kept");
	h->kind->lame(h->srv);
	is_int(ask(h, old, GET("/")), 200, "S9.1: once a stop has begun a kept connection is served");
	ok(has(old, "Connection: close\r\n"), "S9.1: and told to close");
	until(h, !client_poll(old));
	ok(old->eof, "which the server does, too");
	is_int(ask_once(h, &new, GET("/")), 200, "S9.1: new ones are served until the pre_stop hooks are done");
	ok(has(new, "Connection: close\r\n"), "told to close as well");
	client_free(new);
	static const char *const others[] = {"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n",
					     "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
					     "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
					     "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
					     "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
					     "broken\r\n\r\n"};
	for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
		new = client_new(h);
		client_send(new, others[i]);
		until(h, has(new, "\r\n\r\n"));
		ok(has(new, "Connection: close\r\n") && !has(new, "keep-alive"), "S9.1: every reply says close: %s",
		   shown(others[i]));
		if (i == 1) {
			h->last->ops->end(h->last);
			h->last->ops->release(h->last);
		}
		until(h, !client_poll(new));
		ok(new->eof && !new->reset, "and the connection closes");
		client_free(new);
	}
	client_free(old);
	h_free(h);
}

/* Idle and never-used connections: served within the grace, closed after it. */
static void test_grace(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *used, *unused, *sends, *first;
	ask_once(h, &used, GET("/"));
	ask_once(h, &sends, GET("/"));
	unused = client_new(h);
	first = client_new(h);
	until(h, h_stat(h, "connections") == 4);
	is_int(h_stat(h, "idle"), 4, "idle and never-used connections are known");
	uint64_t began = cfw_time_now();
	h_stop(h);
	until(h, cfw_time_now() - began > 60 * CFW_MS);
	ok(client_poll(used) && client_poll(unused), "S9.1: they stay for idle_grace");
	is_int(ask(h, sends, GET("/")), 200, "S9.1: an idle connection that sends within it is served");
	ok(has(sends, "Connection: close"), "and told to close");
	is_int(ask(h, first, GET("/")), 200, "S9.1: so is one that was never used");
	until(h, !client_poll(used) && !client_poll(unused));
	uint64_t took = cfw_time_now() - began;
	ok(used->eof && unused->eof && !used->reset && !unused->reset, "S9.1: then they are closed, without a reset");
	ok(took >= 100 * CFW_MS && took < 1000 * CFW_MS, "after 100 ms (%d ms)", (int)(took / CFW_MS));
	until(h, h->stopped);
	is_int(h->stopped, 1, "and the server has stopped");
	ok(cfw_time_now() - began < 1000 * CFW_MS, "soon");
	is_int(h_stat(h, "cut"), 0, "nothing was cut");
	client_free(used), client_free(unused), client_free(sends), client_free(first);
	h_free(h);
}

/* close_spread: idle connections do not all come back at once (field: firezone#11493). */
static void test_spread(void)
{
	enum { N = 20 };
	struct harness *h = h_new(&cfw_http_kind);
	struct client *c[N];
	h->serve = serve;
	h_listen(h, "127.0.0.1:0");
	h_route(h, "ANY /", NOW);
	cfw_value_set(h->def, "close_spread", cfw_value_int((int64_t)CFW_SEC));
	h_start(h);
	for (int i = 0; i < N; i++)
		ask_once(h, &c[i], GET("/"));
	uint64_t began = cfw_time_now(), last = 0;
	h_stop(h);
	int left = N, at_first = 0, resets = 0;
	while (left && cfw_time_now() - began < 5 * CFW_SEC) {
		h_turn(h);
		left = 0;
		for (int i = 0; i < N; i++)
			left += client_poll(c[i]);
		if (!at_first && left < N)
			at_first = left;
		last = cfw_time_now() - began;
	}
	is_int(left, 0, "close_spread: all idle connections are closed");
	ok(at_first > N / 2, "close_spread: not at once: %d of %d are there when the first is closed", at_first, N);
	ok(last >= 1000 * CFW_MS, "close_spread: the last one at the end of it (%d ms)", (int)(last / CFW_MS));
	for (int i = 0; i < N; i++) {
		resets += c[i]->reset;
		client_free(c[i]);
	}
	is_int(resets, 0, "without a reset");
	until(h, h->stopped);
	is_int(h->stopped, 1, "and the server has stopped");
	is_int(h_stat(h, "cut"), 0, "nothing was cut");
	h_free(h);
}

/* The grace counts for each connection from its own connect or last reply. */
static void test_grace_of_each(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c;
	ask_once(h, &c, GET("/held"));
	client_clear(c);
	client_free(c);
	c = client_new(h);
	client_send(c, GET("/stream"));
	until(h, h->last && has(c, "one"));
	struct cfw_exchange *x = h->last;
	uint64_t began = cfw_time_now();
	h_stop(h);
	until(h, cfw_time_now() - began > 150 * CFW_MS);
	x->ops->end(x);
	x->ops->release(x);
	until(h, whole(c, false));
	uint64_t replied = cfw_time_now();
	until(h, cfw_time_now() - replied > 60 * CFW_MS);
	/* Its header went out before the stop, so the client does not know. */
	ok(client_poll(c), "S9.2: a stream that ends late leaves its client idle_grace, too");
	is_int(ask(h, c, GET("/")), 200, "in which it is served");
	until(h, !client_poll(c));
	until(h, h->stopped);
	is_int(h->stopped, 1, "then the server stops");
	client_free(c);
	h_free(h);
}

static void test_under_way(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *slow, *half, *reader, *stuck;
	slow = client_new(h);
	client_send(slow, GET("/held"));
	until(h, h->last);
	reader = client_new(h);
	client_send(reader, GET("/big"));
	until(h, h->served == 2);
	half = client_new(h);
	client_send(half, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
	stuck = client_new(h);
	client_send(stuck, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
	until(h, h_stat(h, "connections") == 4 && h_stat(h, "idle") == 0);
	is_int(h_stat(h, "in_flight"), 2, "two requests are in flight");
	h->last = NULL;
	h_stop(h);
	uint64_t began = cfw_time_now();
	until(h, cfw_time_now() - began > 300 * CFW_MS);
	is_int(h->stopped, 0, "S9.1: requests under way hold the stop");
	client_send(half, "cd");
	until(h, whole(half, false));
	is_int(status_of(half), 200, "S9.1: half a request that goes on is served");
	size_t got = 0;
	until(h, (client_clear(reader), client_poll(reader), got += reader->len, reader->eof));
	ok(got > sizeof big, "S9.1: a slow reader gets its whole reply (%zu bytes)", got);
	until(h, !client_poll(stuck));
	uint64_t took = cfw_time_now() - began;
	ok(stuck->eof && took >= 900 * CFW_MS && took < 3000 * CFW_MS,
	   "half a request that stands still is given up after a second");
	is_int(h->stopped, 0, "the request that is with policy still holds it");
	client_free(half), client_free(reader), client_free(stuck), client_free(slow);
	until(h, h->gone);
	is_int(h->gone, 1, "until its client leaves");
	until(h, h->stopped);
	is_int(h->stopped, 1, "then the server stops");
	h_free(h);
}

static void test_late_reply(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c = client_new(h);
	client_send(c, GET("/held"));
	until(h, h->last);
	h_stop(h);
	uint64_t began = cfw_time_now();
	until(h, cfw_time_now() - began > 200 * CFW_MS);
	is_int(h->stopped, 0, "S9.1: a handler may take longer than the grace");
	finish(h, "late");
	until(h, whole(c, false) && h->stopped);
	is_str(body_of(c), "late", "S9.1: its reply arrives");
	ok(has(c, "Connection: close"), "and says close");
	is_int(h->stopped, 1, "then the server stops");
	is_int(h->gone, 0, "nobody was lost");
	client_free(c);
	h_free(h);
}

/* The listener is barred, not closed, while there are connections; to a newcomer that is the same. */
static void test_newcomer(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c = client_new(h);
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	client_send(c, GET("/held"));
	until(h, h->last);
	getpeername(c->fd, (struct sockaddr *)&sa, &len);
	h_stop(h);
	uint64_t began = cfw_time_now();
	is_int(try_connect(&sa, len), EINPROGRESS, "S9.1: after the stop no new connection is let in");
	until(h, cfw_time_now() - began > 150 * CFW_MS);
	is_int(try_connect(&sa, len), ECONNREFUSED, "S9.1: once the grace is over the listener is closed");
	finish(h, "ok");
	until(h, h->stopped);
	ok(whole(c, false) && h->stopped, "and the request under way ended well");
	client_free(c);
	h_free(h);
}

static void test_cut(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *a = client_new(h), *b = client_new(h), *idle;
	client_send(a, GET("/held"));
	until(h, h->served == 1);
	client_send(b, GET("/stream"));
	until(h, h->served == 2);
	ask_once(h, &idle, GET("/"));
	h_stop(h);
	h->kind->cut(h->srv, 7);
	ok(h->stopped == 1 && h->attempt == 7, "cut reports STOPPED at once, with its own number");
	is_int(h->gone, 2, "what was in flight is told that it is gone");
	is_int(h_stat(h, "cut"), 2, "and counted");
	ok(strstr(h->logged, "2 requests in flight"), "S9.4: cut requests are logged");
	ok(strstr(h->logged, "target=/held") && strstr(h->logged, "waiting for its handler") && strstr(h->logged, "streaming"),
	   "S9.4: one by one");
	until(h, !client_poll(a) && !client_poll(b) && !client_poll(idle));
	ok(!client_poll(a) && !client_poll(b) && !client_poll(idle), "every connection is closed");
	client_free(a), client_free(b), client_free(idle);
	h_free(h);

	h = set_up("127.0.0.1:0");
	a = client_new(h);
	client_send(a, GET("/"));
	h->kind->cut(h->srv, 3);
	is_int(h->stopped, 1, "cut without a stop before");
	h_free(h);
	client_free(a);
}

static void test_drain_setting(void)
{
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve;
	h_listen(h, "127.0.0.1:0");
	h_route(h, "GET /held", HELD);
	cfw_value_set(h->def, "drain", cfw_value_int((int64_t)(50 * CFW_MS)));
	h_start(h);
	struct client *c = client_new(h);
	client_send(c, GET("/held"));
	until(h, h->last);
	uint64_t began = cfw_time_now();
	h_stop(h);
	until(h, h->stopped);
	uint64_t took = cfw_time_now() - began;
	ok(h->stopped == 1 && took >= 50 * CFW_MS && took < 1000 * CFW_MS, "drain bounds the stop (%d ms)",
	   (int)(took / CFW_MS));
	is_int(h->attempt, 2, "STOPPED answers the stop");
	is_int(h->gone, 1, "the request was cut");
	ok(strstr(h->logged, "drain is over"), "S9.4: and logged");
	client_free(c);
	h_free(h);
}

/* Policy may hold what was answered, past the end of its server. */
static void test_held_past_the_end(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c = client_new(h);
	client_send(c, GET("/held"));
	until(h, h->last);
	struct cfw_exchange *x = h->last;
	x->ops->reply(x, 200, NULL, "answered", 8);
	until(h, whole(c, false));
	client_free(c);
	h_stop(h);
	until(h, h->stopped);
	is_int(h->stopped, 1, "a request that was answered does not hold the stop, though policy holds it");
	is_int(h->gone, 0, "nor is it gone");
	h->kind->free(h->srv);
	h->srv = NULL;
	is_int(x->ops->write(x, "x", 1), CURFEW_ESTATE, "what is left of it refuses everything");
	is_int(x->ops->reply(x, 200, NULL, "x", 1), CURFEW_ESTATE, "a reply");
	is_int(x->ops->flush(x, 1), CURFEW_ESTATE, "a flush");
	x->ops->close(x);
	x->ops->release(x);
	h_free(h);
}

/* What the kernel had let in before the stop, and we had not yet accepted. */
static void test_queue(const char *addr, int rounds)
{
	int lost = 0, total = 0, stopped = 0, late = 0;
	for (int r = 0; r < rounds; r++) {
		struct harness *h = set_up(addr);
		char *where = strdup(h->kind->address(h->srv));
		struct client *c[16];
		for (int i = 0; i < 16; i++) {
			c[i] = client_to(where);
			if (i & 1)
				client_send(c[i], GET("/"));
		}
		h_stop(h);
		for (int i = 0; i < 16; i += 2)
			client_send(c[i], GET("/"));
		if (!strncmp(addr, "unix:", 5) && dial(where) >= 0)
			late++;
		until(h, h->stopped);
		for (int i = 0; i < 16; i++) {
			client_poll(c[i]);
			lost += !whole(c[i], false) || status_of(c[i]) != 200 || c[i]->reset;
			client_free(c[i]);
			total++;
		}
		stopped += h->stopped;
		free(where);
		h_free(h);
	}
	is_int(lost, 0, "S9.1: %s: of %d connections in the accept queue at %d stops none is lost", addr, total, rounds);
	is_int(stopped, rounds, "every stop ended");
	is_int(late, 0, "nobody new was let in");
}

int main(void)
{
	char dir[] = "/tmp/curfew-http-XXXXXX", addr[64];
	int fds = count_fds();
	test_nobody();
	test_lame();
	test_grace();
	test_grace_of_each();
	test_spread();
	test_under_way();
	test_late_reply();
	test_newcomer();
	test_cut();
	test_drain_setting();
	test_held_past_the_end();
	test_queue("127.0.0.1:0", 120);
	if (mkdtemp(dir)) {
		snprintf(addr, sizeof addr, "unix:%s/sock", dir);
		test_queue(addr, 30);
		rmdir(dir);
	}
	is_int(count_fds(), fds, "no descriptor is left");
	return tap_done();
}
