/* Clients of the kind "http" that are rude on purpose: half requests that never end, bodies without end, floods, and what two
 * servers in a row could understand differently. */
#define _GNU_SOURCE
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <sys/resource.h>

#include "http_harness.h"
#include "shell/http.h"
#include "shell/http_server.h"

enum { NOW = 1, HELD, ECHO, SMUGGLED };
enum { MAX = 200 << 10, FLOOD = 64 << 20, KERNEL = 24 << 20 /* what the sockets' own buffers may hold, amply */ };
#define TIMEOUT (300 * CFW_MS)
#define HEAD    "Host: x\r\n"
#define GET     "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

static char junk[1 << 20];
static int smuggled;

static int serve(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h;
	size_t n = 0;
	const char *body = cfw_value_bytes(cfw_value_get(x->request, "body"), &n);
	smuggled += ref == SMUGGLED;
	if (ref == HELD)
		return 0;
	x->ops->reply(x, 200, NULL, ref == ECHO ? body : "Hello\n", ref == ECHO ? n : 6);
	x->ops->release(x);
	return 0;
}

static struct harness *set_up(void)
{
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve;
	h_listen(h, "127.0.0.1:0");
	h_route(h, "GET /", NOW);
	h_route(h, "GET /held", HELD);
	h_route(h, "POST /", ECHO);
	h_route(h, "GET /smuggled", SMUGGLED);
	cfw_value_set(h->def, "request_timeout", cfw_value_int((int64_t)TIMEOUT));
	cfw_value_set(h->def, "max_body", cfw_value_int(MAX));
	h_start(h);
	return h;
}

static void wait_for(struct harness *h, uint64_t ns)
{
	uint64_t end = cfw_time_now() + ns;
	until(h, cfw_time_now() >= end);
}

/* ---- half requests ---- */

static void test_half(void)
{
	static const char *const halves[] = {
		"G",
		"GET / HTTP/1.1\r\nX",
		"\x16\x03\x01\x02",
		"POST / HTTP/1.1\r\n" HEAD "Content-Length: 10\r\n\r\nabc",
		"POST / HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\nab",
		"POST / HTTP/1.1\r\n" HEAD "Expect: 100-continue\r\nContent-Length: 10\r\n\r\n",
	};
	struct harness *h = set_up();
	for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
		struct client *c = client_new(h);
		uint64_t began = cfw_time_now();
		client_send(c, halves[i]);
		until(h, !client_poll(c));
		uint64_t took = cfw_time_now() - began;
		ok(c->eof && took >= TIMEOUT * 9 / 10 && took < 5 * TIMEOUT,
		   "half a request is given up after request_timeout (%d ms): %s", (int)(took / CFW_MS), shown(halves[i]));
		ok(has(c, "HTTP/1.1 408 Request Timeout\r\n"), "and told so");
		client_free(c);
	}
	is_int(h_stat(h, "4xx"), sizeof halves / sizeof *halves, "each is counted");
	is_int(h->served, 0, "none was a request");
	is_int(h_stat(h, "connections"), 0, "nothing is left of them");
	h_free(h);
}

/* One that sends a little all the time is never idle. */
static void test_dripping(void)
{
	static const char *const starts[] = {
		"GET / HTTP/1.1\r\nX: ",
		"POST / HTTP/1.1\r\n" HEAD "Content-Length: 100000\r\n\r\n",
		GET "GET / HTTP/1.1\r\nX: ",
	};
	struct harness *h = set_up();
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
		struct client *c = client_new(h);
		uint64_t began = cfw_time_now(), next = began;
		client_send(c, starts[i]);
		until(h, (cfw_time_now() > next ? (client_send(c, "y"), next += 20 * CFW_MS) : 0, !client_poll(c)));
		uint64_t took = cfw_time_now() - began;
		ok(!client_poll(c) && took >= TIMEOUT * 9 / 10 && took < 5 * TIMEOUT,
		   "a request that drips is given up after request_timeout (%d ms): %s", (int)(took / CFW_MS),
		   shown(starts[i]));
		client_free(c);
	}
	is_int(h->served, 1, "the whole one before it was served");
	until(h, h_stat(h, "connections") == 0);
	is_int(h_stat(h, "connections"), 0, "nothing is left of them");
	h_free(h);
}

static void test_not_rude(void)
{
	struct harness *h = set_up();
	struct client *c = client_new(h), *held = client_new(h);
	client_send(held, "GET /held HTTP/1.1\r\n" HEAD "\r\n");
	wait_for(h, 2 * TIMEOUT);
	is_int(ask(h, c, GET), 200, "a connection that has sent nothing yet is not late");
	wait_for(h, 2 * TIMEOUT);
	is_int(ask(h, c, GET), 200, "nor one that rests between requests");
	client_clear(c);
	client_send(c, "POST / HTTP/1.1\r\n" HEAD);
	wait_for(h, TIMEOUT / 2);
	client_send(c, "Content-Length: 3\r\n\r\nab");
	wait_for(h, TIMEOUT / 4);
	client_send(c, "c");
	until(h, whole(c, false));
	is_str(body_of(c), "abc", "a slow request that comes in time is served");
	ok(client_poll(held), "a handler may take longer");
	h->last = NULL;
	client_free(c), client_free(held);
	until(h, h->gone);
	h_free(h);
}

/* What has come, but was not read in time because the loop did not turn, is not the client's fault. */
static void test_loop_stalls(void)
{
	struct harness *h = set_up();
	struct client *c = client_new(h);
	client_send(c, "POST / HTTP/1.1\r\n" HEAD "Content-Length: 100000\r\n\r\n");
	until(h, h_stat(h, "connections") == 1 && h_stat(h, "idle") == 0);
	is_int(send(c->fd, junk, 100000, MSG_NOSIGNAL), 100000, "a body larger than one read takes");
	for (uint64_t end = cfw_time_now() + TIMEOUT * 3 / 2; cfw_time_now() < end;)
		usleep(10000);
	until(h, whole(c, false));
	is_int(status_of(c), 200, "lies unread while the loop is held up beyond request_timeout: it is served");
	client_free(c);
	h_free(h);
}

/* ---- what evhttp refuses by itself ---- */

static void test_connect(void)
{
	static const char *const asked[] = {
		"CONNECT / HTTP/1.1\r\n\r\n",
		"CONNECT x:1 HTTP/1.1\r\n" HEAD "\r\n",
		"CONNECT x:1:2 HTTP/1.1\r\n" HEAD "\r\n",
		"CONNECT x:1 HTTP/1.1\r\nno colon\r\n\r\n",
	};
	struct harness *h = set_up();
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		struct client *c = client_new(h);
		uint64_t began = cfw_time_now();
		client_send(c, asked[i]);
		client_send(c, "GET /smuggled HTTP/1.1\r\n" HEAD "\r\n");
		until(h, !client_poll(c));
		int status = status_of(c);
		ok(status == 400 || status == 501, "%s: refused (%d)", shown(asked[i]), status);
		ok(c->eof && cfw_time_now() - began < TIMEOUT, "and closed at once");
		client_free(c);
	}
	is_int(smuggled, 0, "nothing behind it was served");
	until(h, h_stat(h, "connections") == 0);
	is_int(h_stat(h, "connections"), 0, "nothing is left of them");
	is_int(h_stat(h, "requests"), 4, "each is counted once");
	h_free(h);
}

/* ---- bodies that are too large ---- */

#define BIG(n) "POST / HTTP/1.1\r\n" HEAD "Content-Length: " n "\r\n\r\n"

static void test_too_large(void)
{
	static const char *const asked[] = {
		BIG("204801"),
		BIG("9000000000000"),
		BIG("9223372036854775807"),
		BIG("99999999999999999999"),
		"POST / HTTP/1.1\r\n" HEAD "Expect: 100-continue\r\nContent-Length: 100000000\r\n\r\n",
	};
	struct harness *h = set_up();
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		struct client *c = client_new(h);
		uint64_t began = cfw_time_now(), swallowed = 0;
		client_send(c, asked[i]);
		until(h, !client_poll(c));
		int status = status_of(c);
		ok(status == 413 || status == 400, "refused: %s (%d)", shown(strstr(asked[i], "Content-Length")), status);
		ok(c->eof && cfw_time_now() - began < TIMEOUT / 2, "at once, before any of the body was sent");
		ssize_t n = 0;
		until(h, (n = send(c->fd, junk, sizeof junk, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno != EAGAIN
				 ? true
				 : (swallowed += n > 0 ? (size_t)n : 0, swallowed > FLOOD));
		ok(swallowed < KERNEL, "what comes nevertheless is swallowed for a moment only (%d KB)",
		   (int)(swallowed >> 10));
		client_free(c);
	}
	is_int(h->served, 0, "none was a request");
	h_free(h);
}

/* Send piece by piece; false once one of them fails. */
static bool send_on(struct harness *h, struct client *c, size_t total)
{
	const size_t piece = 20000;
	for (size_t sent = 0; sent < total; sent += piece) {
		if (send(c->fd, junk, piece, MSG_NOSIGNAL) != (ssize_t)piece)
			return false;
		wait_for(h, 5 * CFW_MS);
	}
	return true;
}

static void test_lingering(void)
{
	struct harness *h = set_up();
	struct client *c = client_new(h);
	/* The head alone is read before the reply; the kernel holds the rest as evhttp closes. */
	client_send(c, BIG("400000"));
	ok(send_on(h, c, 200000), "a client that sends on behind its refusal can, for a while");
	until(h, !client_poll(c));
	ok(status_of(c) == 413 && c->eof && !c->reset, "and gets its 413, not a reset");
	uint64_t began = cfw_time_now();
	until(h, h_stat(h, "connections") == 0);
	ok(h_stat(h, "connections") == 0 && cfw_time_now() - began < 2 * CFW_SEC,
	   "one that neither sends nor closes is waited for a second at most");
	client_free(c);

	c = client_new(h);
	client_send(c, BIG("400000"));
	until(h, !client_poll(c));
	client_free(c);
	began = cfw_time_now();
	until(h, h_stat(h, "connections") == 0);
	ok(h_stat(h, "connections") == 0 && cfw_time_now() - began < CFW_SEC / 2, "one that closes is not waited for");

	c = client_new(h);
	client_send(c, "GET / HTTP/1.1\r\n" HEAD "Connection: close\r\n\r\n");
	ok(send_on(h, c, 100000), "so can who sends on behind its last request");
	until(h, !client_poll(c));
	ok(status_of(c) == 200 && c->eof && !c->reset, "and gets the reply, not a reset");
	client_free(c);

	c = client_new(h);
	client_send(c, BIG("400000"));
	until(h, !client_poll(c));
	h_stop(h);
	began = cfw_time_now();
	until(h, h->stopped);
	ok(h->stopped == 1 && cfw_time_now() - began < 2 * CFW_SEC, "nor does a stop wait longer for it");
	client_free(c);

	h_start(h);
	c = client_new(h);
	client_send(c, BIG("400000"));
	until(h, !client_poll(c));
	h->kind->cut(h->srv, 3);
	until(h, h->stopped == 2);
	is_int(h->stopped, 2, "a cut ends it");
	client_free(c);
	h_free(h);
}

/* ---- floods ---- */

/* The most that is held of what one connection sent. */
static size_t held_back(struct harness *h)
{
	struct cfw_http *s = h->srv;
	size_t most = 0;
	for (int i = 0; i < CFW_HTTP_STATES; i++)
		for (struct cfw_http_conn *c = TAILQ_FIRST(&s->conns[i]); c; c = TAILQ_NEXT(c, link)) {
			size_t n = evbuffer_get_length(bufferevent_get_input(c->bev));
			most = n > most ? n : most;
		}
	return most;
}

/* Send it over and over, until nothing more is taken for a while. Returns the most that was held of it. */
static size_t flood(struct harness *h, struct client *c, const char *piece, size_t len, bool reading)
{
	static char many[64 << 10];
	size_t n = 0, sent = 0, most = 0;
	for (; n + len <= sizeof many; n += len)
		memcpy(many + n, piece, len);
	uint64_t began = cfw_time_now(), last = began;
	while (sent < FLOOD && last + 200 * CFW_MS > cfw_time_now() && began + 3 * CFW_SEC > cfw_time_now()) {
		/* From where the last one broke off. */
		ssize_t w = send(c->fd, many + sent % n, n - sent % n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (w < 0 && errno != EAGAIN)
			break;
		sent += w > 0 ? (size_t)w : 0;
		last = w > 0 ? cfw_time_now() : last;
		event_base_loop(h->base, EVLOOP_NONBLOCK);
		size_t now = held_back(h);
		most = now > most ? now : most;
		if (reading)
			client_poll(c), client_clear(c);
	}
	return most;
}

static void test_flood(void)
{
	const size_t bound = MAX + (128 << 10);
	struct harness *h = set_up();
	struct client *c = client_new(h);
	size_t n = flood(h, c, GET, strlen(GET), false);
	ok(h->served > 0 && n < bound, "pipelined requests of who does not read are held back (%zu KB)", n >> 10);
	client_free(c);
	c = client_new(h);
	n = flood(h, c, GET, strlen(GET), true);
	ok(h->served > 0 && n < bound, "so are those of who reads, yet sends faster (%zu KB)", n >> 10);
	client_free(c);
	c = client_new(h);
	client_send(c, "POST / HTTP/1.1\r\n" HEAD "Transfer-Encoding: chunked\r\n\r\n");
	n = flood(h, c, "0", 1, false);
	ok(n < bound, "a chunk's size without end is held back (%zu KB)", n >> 10);
	client_free(c);
	until(h, h_stat(h, "connections") == 0);
	is_int(h_stat(h, "connections"), 0, "nothing is left of them");
	h_free(h);
}

/* Send the n bytes of text as far as they are not sent yet, and take what has come: true once its last reply is there. */
static bool push(struct client *c, const char *text, size_t n, size_t *sent, size_t *got)
{
	ssize_t w = *sent < n ? send(c->fd, text + *sent, n - *sent, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
	*sent += w > 0 ? (size_t)w : 0;
	bool hello = has(c, "Hello\n");
	*got += c->len;
	client_clear(c);
	return hello;
}

/* However much is held back, a body that is allowed comes through. */
static void test_largest(void)
{
	static const char *const heads[] = {"Content-Length: 204800\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n32000\r\n"};
	static const char *const ends[] = {GET, "\r\n0\r\n\r\n" GET};
	struct harness *h = set_up();
	char *text = malloc(MAX + 256);
	for (int i = 0; i < 2; i++) {
		struct client *c = client_new(h);
		size_t n = (size_t)sprintf(text, "POST / HTTP/1.1\r\n" HEAD "%s", heads[i]), sent = 0, got = 0;
		bool hello = false;
		memset(text + n, 'x', MAX);
		n += MAX;
		n += (size_t)sprintf(text + n, "%s", ends[i]);
		until(h, (hello = push(c, text, n, &sent, &got)));
		ok(hello && got > MAX, "a body of max_body bytes%s is echoed, and the request behind it served",
		   i ? " in one chunk" : "");
		client_free(c);
	}
	free(text);
	h_free(h);
}

/* ---- what could be understood differently ---- */

static void test_strict(void)
{
	static const char *const bad[] = {
		"POST / HTTP/1.1\r\n" HEAD "Content-Length: +4\r\n\r\nabcd",
		"POST / HTTP/1.1\r\n" HEAD "Content-Length: \t4\r\n\r\nabcd",
		"POST / HTTP/1.1\r\n" HEAD "Content-Length: -0\r\n\r\n",
		"POST / HTTP/1.1\r\n" HEAD "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n",
		"GET http://x/ HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\n" HEAD HEAD "\r\n",
		"GET / HTTP/1.0\r\n" HEAD HEAD "\r\n",
	};
	struct harness *h = set_up();
	struct client *c;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		is_int(ask_once(h, &c, bad[i]), 400, "refused: %s", shown(bad[i]));
		until(h, !client_poll(c));
		ok(c->eof, "and closed");
		client_free(c);
	}
	is_int(h->served, 0, "none came to policy");
	is_int(ask_once(h, &c, "GET / HTTP/1.0\r\n\r\n"), 200, "HTTP/1.0 has no Host");
	client_free(c);
	/* evhttp reads no body with HEAD: what stands there would be the next request. */
	is_int(ask_once(h, &c, "HEAD / HTTP/1.1\r\n" HEAD "Content-Length: 36\r\n\r\nGET /smuggled HTTP/1.1\r\n" HEAD "\r\n"),
	       200, "HEAD with a body");
	until(h, !client_poll(c));
	ok(c->eof && !smuggled, "closes behind it: the body is not the next request");
	client_free(c);
	is_int(ask_once(h, &c,
			"PROPFIND / HTTP/1.1\r\n" HEAD "Content-Length: 36\r\n\r\nGET /smuggled HTTP/1.1\r\n" HEAD "\r\n"),
	       501, "an unknown method with a body");
	until(h, !client_poll(c));
	ok(c->eof && !smuggled, "closes behind it, too");
	client_free(c);
	h_free(h);
}

/* ---- no descriptors ---- */

static int lines(const char *text, const char *needle)
{
	int n = 0;
	for (; (text = strstr(text, needle)); text++)
		n++;
	return n;
}

static void test_accept_log(void)
{
	struct harness *h = set_up();
	struct rlimit was, few;
	struct client *c = client_new(h);
	int first = dup(0);
	close(first);
	getrlimit(RLIMIT_NOFILE, &was);
	few = was;
	few.rlim_cur = (rlim_t)first;
	setrlimit(RLIMIT_NOFILE, &few);
	until(h, h_stat(h, "accept_errors") >= 8);
	is_int(lines(h->logged, "cannot accept a connection"), 1,
	       "that accepting fails is logged once, however often it is tried");
	((struct cfw_http *)h->srv)->accept.again_ns = 200 * CFW_MS;
	int before = (int)h_stat(h, "accept_errors");
	until(h, h_stat(h, "accept_errors") >= before + 8);
	int again = lines(h->logged, "cannot accept a connection");
	ok(again >= 2 && again <= 4, "and now and then again (%d)", again);
	ok(strstr(h->logged, "more times"), "with how often it did");
	setrlimit(RLIMIT_NOFILE, &was);
	client_send(c, GET);
	until(h, whole(c, false));
	is_int(status_of(c), 200, "with descriptors again it is served");
	client_free(c);
	h_free(h);
}

int main(void)
{
	int fds = count_fds();
	test_half();
	test_dripping();
	test_not_rude();
	test_loop_stalls();
	test_connect();
	test_too_large();
	test_lingering();
	test_flood();
	test_largest();
	test_strict();
	/* valgrind stands in for the limit, by closing what the kernel has accepted. */
	const char *preload = getenv("LD_PRELOAD");
	if (preload && strstr(preload, "vgpreload"))
		tap_diag("the limit of descriptors is not tested under valgrind");
	else
		test_accept_log();
	is_int(count_fds(), fds, "no descriptor is left");
	return tap_done();
}
