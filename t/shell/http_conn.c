/* Connections of the kind "http" and their clients: those that leave, that are slow, idle, too many. */
#define _GNU_SOURCE
#include <sys/resource.h>

#include "http_harness.h"
#include "shell/http.h"

enum { NOW = 1, HELD, BIG };

static char big[8 << 20];

static int serve(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h;
	if (ref == HELD)
		return 0;
	x->ops->reply(x, 200, NULL, ref == BIG ? big : "Hello\n", ref == BIG ? sizeof big : 6);
	x->ops->release(x);
	return 0;
}

static struct harness *prepare(const char *addr)
{
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve;
	h_listen(h, addr);
	h_route(h, "GET /", NOW);
	h_route(h, "GET /held", HELD);
	h_route(h, "GET /big", BIG);
	return h;
}

static struct harness *set_up(const char *addr)
{
	struct harness *h = prepare(addr);
	h_start(h);
	return h;
}

/* Send it, and wait until policy has it. */
static struct cfw_exchange *hand_over(struct harness *h, struct client *c, const char *request)
{
	h->last = NULL;
	client_send(c, request);
	until(h, h->last);
	if (!h->last)
		tap_bail("the request was not handed over");
	return h->last;
}

static struct client *hold(struct harness *h, const char *request)
{
	struct client *c = client_new(h);
	hand_over(h, c, request);
	return c;
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static void test_leaving(const char *addr)
{
	struct harness *h = set_up(addr);
	struct client *c = hold(h, GET("/held"));
	uint64_t began = cfw_time_now();
	client_free(c);
	until(h, h->gone);
	is_int(h->gone, 1, "%s: a client that leaves while its handler works is noticed", addr);
	ok(cfw_time_now() - began < 500 * CFW_MS, "soon");
	is_int(h_stat(h, "gone"), 1, "and counted");
	is_int(h_stat(h, "in_flight"), 0, "nothing is in flight any more");

	c = hold(h, GET("/held"));
	client_send(c, GET("/"));
	until(h, cfw_time_now() - began > 200 * CFW_MS);
	h->last->ops->reply(h->last, 200, NULL, "first", 5);
	h->last->ops->release(h->last);
	until(h, has(c, "first") && has(c, "Hello"));
	ok(has(c, "first") && has(c, "Hello"), "a request pipelined behind a long one is served after it");
	client_free(c);

	c = hold(h, "GET /held HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	shutdown(c->fd, SHUT_WR);
	began = cfw_time_now();
	until(h, cfw_time_now() - began > 100 * CFW_MS);
	is_int(h->gone, 1, "one that said close, and closed its sending half, is still there");
	h->last->ops->reply(h->last, 200, NULL, "answer", 6);
	h->last->ops->release(h->last);
	until(h, !client_poll(c));
	is_str(body_of(c), "answer", "and gets its answer");
	client_free(c);
	h_free(h);
}

static void test_stream(void)
{
	static char piece[1 << 16];
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c = hold(h, GET("/held"));
	struct cfw_exchange *x = h->last;
	is_int(x->ops->write(x, "x", 1), CURFEW_ESTATE, "no piece before begin");
	is_int(x->ops->end(x), CURFEW_ESTATE, "no end before begin");
	is_int(x->ops->flush(x, 1), CURFEW_ESTATE, "no flush before begin");
	is_int(x->ops->read(x, 0, 1), CURFEW_ESTATE, "the body came with the request");
	is_int(x->ops->begin(x, 99, NULL), CURFEW_EINVAL, "no such status");
	is_int(x->ops->reply(x, 1000, NULL, "", 0), CURFEW_EINVAL, "nor such");
	is_int(x->ops->begin(x, 200, NULL), 0, "begin");
	is_int(x->ops->begin(x, 200, NULL), CURFEW_ESTATE, "not twice");
	is_int(x->ops->reply(x, 200, NULL, "", 0), CURFEW_ESTATE, "nor a reply behind it");
	x->ops->write(x, "tick", 4);
	until(h, has(c, "4\r\ntick\r\n"));
	ok(has(c, "4\r\ntick\r\n"), "a piece is sent at once");
	is_int(x->ops->flush(x, 1), 0, "a flush with nothing queued");
	ok(h->answered == 1 && h->answer_true, "is answered at once");
	for (int i = 0; i < 200; i++)
		x->ops->write(x, piece, sizeof piece);
	x->ops->flush(x, 2);
	is_int(x->ops->flush(x, 3), CURFEW_ESTATE, "one flush at a time");
	for (int i = 0; i < 20; i++)
		h_turn(h);
	is_int((long long)h->answered, 1, "a flush waits for a slow client");
	until(h, (client_clear(c), client_poll(c), h->answered == 2));
	ok(h->answered == 2 && h->answer_true, "and is answered when it has read");
	is_int(x->ops->end(x), 0, "end");
	is_int(x->ops->write(x, "x", 1), CURFEW_ESTATE, "nothing behind the end");
	x->ops->release(x);
	until(h, (c->len > 60000 ? client_clear(c) : (void)0, has(c, "0\r\n\r\n")));
	is_int(ask(h, c, GET("/")), 200, "the connection goes on");
	client_free(c);

	c = hold(h, GET("/held"));
	x = h->last;
	x->ops->begin(x, 200, NULL);
	for (int i = 0; i < 200; i++)
		x->ops->write(x, piece, sizeof piece);
	x->ops->flush(x, 9);
	int gone = h->gone;
	client_free(c);
	until(h, h->gone > gone);
	ok(h->answered == 9 && h->answer_code == CURFEW_ECANCELED, "a client that leaves fails the flush that waits");
	is_int(h->gone, gone + 1, "and is gone");
	h_free(h);
}

static struct cfw_value *length(int64_t n)
{
	struct cfw_value *map = cfw_value_map();
	cfw_value_set(map, "Content-Length", cfw_value_int(n));
	return map;
}

static void test_promises(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c = hold(h, GET("/held"));
	struct cfw_exchange *x = h->last;
	struct cfw_value *five = length(5);
	x->ops->begin(x, 200, five);
	x->ops->write(x, "abc", 3);
	is_int(x->ops->write(x, "def", 3), CURFEW_EINVAL, "more than the Content-Length promised is refused");
	x->ops->write(x, "de", 2);
	is_int(x->ops->end(x), 0, "as much as promised");
	x->ops->release(x);
	until(h, whole(c, false));
	ok(has(c, "Content-Length: 5\r\n") && !has(c, "chunked"), "needs no chunks");
	is_str(body_of(c), "abcde", "and arrives");
	client_clear(c);
	x = hand_over(h, c, GET("/held"));
	x->ops->begin(x, 200, five);
	x->ops->write(x, "abc", 3);
	is_int(x->ops->end(x), CURFEW_EINVAL, "less than promised");
	x->ops->release(x);
	until(h, !client_poll(c));
	ok(!client_poll(c), "closes the connection: nobody takes half a reply for a whole one");
	client_free(c);
	cfw_value_free(five);

	c = hold(h, GET("/held"));
	x = h->last;
	x->ops->begin(x, 200, NULL);
	x->ops->write(x, "abc", 3);
	x->ops->release(x);
	until(h, !client_poll(c));
	ok(has(c, "abc") || c->eof, "S6.2: a reply that has begun and is dropped");
	ok(!has(c, "0\r\n\r\n"), "S6.2: is not ended as if it were whole, but closed");
	client_free(c);

	c = hold(h, GET("/held"));
	x = h->last;
	x->ops->close(x);
	until(h, !client_poll(c));
	ok(!client_poll(c) && !c->len, "close cuts the connection");
	is_int(x->ops->reply(x, 200, NULL, "x", 1), CURFEW_ESTATE, "nothing can be said after it");
	x->ops->release(x);
	client_free(c);
	is_int(h->gone, 0, "none of these was the client's doing");
	h_free(h);
}

static void test_headers(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c = hold(h, GET("/held"));
	struct cfw_value *map = cfw_value_map(), *list = cfw_value_list();
	cfw_value_push(list, cfw_value_str("a=1"));
	cfw_value_push(list, cfw_value_str("b=2"));
	cfw_value_set(map, "Set-Cookie", list);
	cfw_value_set(map, "Content-Length", cfw_value_str("99"));
	cfw_value_set(map, "Transfer-Encoding", cfw_value_str("chunked"));
	cfw_value_set(map, "Content-Type", cfw_value_str("text/html"));
	cfw_value_set(map, "Connection", cfw_value_str("close"));
	cfw_value_set(map, "X-N", cfw_value_int(7));
	is_int(h->last->ops->reply(h->last, 429, map, "hi", 2), 0, "a reply with headers");
	h->last->ops->release(h->last);
	until(h, !client_poll(c));
	ok(has(c, "HTTP/1.1 429 Too Many Requests\r\n"), "its status line");
	ok(has(c, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n"), "a list becomes several headers");
	ok(has(c, "Content-Length: 2\r\n") && !has(c, "99") && !has(c, "chunked"),
	   "how the message ends is the server's to say");
	ok(has(c, "Content-Type: text/html\r\n") && !has(c, "text/plain"), "the type is policy's");
	ok(has(c, "X-N: 7\r\n"), "a number");
	ok(has(c, "Connection: close\r\n") && c->eof, "policy may close the connection");
	client_free(c);
	cfw_value_free(map);
	h_free(h);
}

static void test_timeouts(void)
{
	struct harness *h = prepare("127.0.0.1:0");
	cfw_value_set(h->def, "keep_alive", cfw_value_int((int64_t)(80 * CFW_MS)));
	h_start(h);
	struct client *unused = client_new(h), *used, *held = hold(h, GET("/held"));
	struct cfw_exchange *x = h->last;
	ask_once(h, &used, GET("/"));
	uint64_t began = cfw_time_now();
	ok(client_poll(unused) && client_poll(used), "idle connections are kept");
	until(h, !client_poll(unused) && !client_poll(used));
	uint64_t took = cfw_time_now() - began;
	ok(unused->eof && used->eof && took >= 60 * CFW_MS && took < 1000 * CFW_MS, "for keep_alive (%d ms)",
	   (int)(took / CFW_MS));
	until(h, cfw_time_now() - began > 200 * CFW_MS);
	ok(client_poll(held) && !h->gone, "a request under way is not idle");
	x->ops->reply(x, 200, NULL, "x", 1);
	x->ops->release(x);
	until(h, whole(held, false));
	is_int(status_of(held), 200, "however long it takes");
	client_free(unused), client_free(used), client_free(held);
	h_free(h);
}

/* Bytes sent ahead of a reply that is not out yet are not taken in without bound. */
static void test_read_ahead(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct client *c = hold(h, GET("/held"));
	size_t sent = 0;
	int idle = 0;
	while (idle < 100 && sent < 64u << 20) {
		ssize_t n = send(c->fd, big, sizeof big, MSG_NOSIGNAL | MSG_DONTWAIT);
		sent += n > 0 ? (size_t)n : 0;
		idle = n > 0 ? 0 : idle + 1;
		h_turn(h);
	}
	ok(sent < 64u << 20, "a client that floods behind its request is held back (after %zu bytes)", sent);
	h->last->ops->reply(h->last, 200, NULL, "x", 1);
	h->last->ops->release(h->last);
	until(h, has(c, "400 Bad Request"));
	ok(has(c, "200 OK") && has(c, "400 Bad Request"), "it gets its reply, and one for the rubbish");
	client_free(c);
	h_free(h);
}

static void test_no_descriptors(void)
{
	struct harness *h = set_up("127.0.0.1:0");
	struct rlimit was, few;
	struct client *c = client_new(h), *d = client_new(h);
	client_send(c, GET("/"));
	client_send(d, GET("/"));
	int first = dup(0);
	close(first);
	getrlimit(RLIMIT_NOFILE, &was);
	few = was;
	few.rlim_cur = (rlim_t)first;
	setrlimit(RLIMIT_NOFILE, &few);
	for (int i = 0; i < 20; i++)
		h_turn(h);
	ok(!client_poll(c) || !c->len, "without descriptors nobody is served");
	ok(h_stat(h, "accept_errors") >= 1 && h_stat(h, "accept_errors") <= 5,
	   "accepting is tried now and then, not in a frenzy (%d)", (int)h_stat(h, "accept_errors"));
	ok(strstr(h->logged, "cannot accept a connection: Too many open files"), "and logged");
	setrlimit(RLIMIT_NOFILE, &was);
	until(h, whole(c, false) && whole(d, false));
	ok(status_of(c) == 200 && status_of(d) == 200, "with descriptors again everybody is");

	struct client *e = client_new(h);
	client_send(e, GET("/"));
	few.rlim_cur = (rlim_t)(dup(0));
	close((int)few.rlim_cur);
	setrlimit(RLIMIT_NOFILE, &few);
	h_stop(h);
	uint64_t began = cfw_time_now();
	until(h, cfw_time_now() - began > 30 * CFW_MS);
	setrlimit(RLIMIT_NOFILE, &was);
	is_int(h->stopped, 0, "a stop waits for those whom it cannot accept yet");
	until(h, whole(e, false));
	is_int(status_of(e), 200, "S9.1: and serves them");
	client_free(c), client_free(d), client_free(e);
	until(h, h->stopped);
	is_int(h->stopped, 1, "then it is over");
	h_free(h);
}

int main(void)
{
	char dir[] = "/tmp/curfew-conn-XXXXXX", addr[64];
	int fds = count_fds();
	test_leaving("127.0.0.1:0");
	if (mkdtemp(dir)) {
		snprintf(addr, sizeof addr, "unix:%s/sock", dir);
		test_leaving(addr);
		rmdir(dir);
	}
	test_stream();
	test_promises();
	test_headers();
	test_timeouts();
	test_read_ahead();
	/* valgrind stands in for the limit, by closing what the kernel has accepted. */
	const char *preload = getenv("LD_PRELOAD");
	if (preload && strstr(preload, "vgpreload"))
		tap_diag("the limit of descriptors is not tested under valgrind");
	else
		test_no_descriptors();
	is_int(count_fds(), fds, "no descriptor is left");
	return tap_done();
}
