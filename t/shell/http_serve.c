/* The kind "http" while it serves: routes, methods, bodies, versions, errors. */
#define _GNU_SOURCE
#include "http_harness.h"
#include "shell/http.h"

enum { HELLO = 1, ECHO, INSPECT, REF_HELD, STREAM, INJECT, NOREPLY, EMPTY, FALLBACK };

static struct cfw_value *one(const char *key, const char *value)
{
	struct cfw_value *map = cfw_value_map();
	cfw_value_set(map, key, cfw_value_str(value));
	return map;
}

static void inspect(struct cfw_exchange *x)
{
	char text[2048];
	const struct cfw_value *q = x->request;
	size_t n;
	const char *body = cfw_value_bytes(cfw_value_get(q, "body"), &n);
	snprintf(text, sizeof text,
		 "method=%s path=%s target=%s query=%s version=%s x=%s body=%.*s route=%s id=%s rest=%s peer=%.9s",
		 cfw_value_get_str(q, "method", "-"), cfw_value_get_str(q, "path", "-"), cfw_value_get_str(q, "target", "-"),
		 cfw_value_get_str(q, "query", "-"), cfw_value_get_str(q, "version", "-"),
		 cfw_value_get_str(cfw_value_get(q, "headers"), "x-a", "-"), (int)n, body, cfw_value_get_str(q, "route", "-"),
		 cfw_value_get_str(cfw_value_get(q, "params"), "id", "-"),
		 cfw_value_get_str(cfw_value_get(q, "params"), "*", "-"), cfw_value_get_str(q, "peer", "-"));
	x->ops->reply(x, 200, NULL, text, strlen(text));
}

static int injected[4];

static void inject(struct cfw_exchange *x)
{
	struct cfw_value *bad[] = {one("X-A", "a\r\nSet-Cookie: b"), one("X-A", "a\nb"), one("X: A", "b"), one("", "b")};
	for (int i = 0; i < 4; i++) {
		injected[i] = x->ops->reply(x, 200, bad[i], "x", 1);
		cfw_value_free(bad[i]);
	}
	x->ops->reply(x, 200, NULL, "safe", 4);
}

static int serve(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	size_t n;
	const char *body = cfw_value_bytes(cfw_value_get(x->request, "body"), &n);
	(void)h;
	switch (ref) {
	case HELLO:
		x->ops->reply(x, 200, NULL, "Hello\n", 6);
		break;
	case ECHO:
		x->ops->reply(x, 200, NULL, body, n);
		break;
	case INSPECT:
		inspect(x);
		break;
	case INJECT:
		inject(x);
		break;
	case EMPTY:
		x->ops->reply(x, 204, NULL, "none", 4);
		break;
	case FALLBACK:
		x->ops->reply(x, 418, NULL, "short\n", 6);
		break;
	case STREAM:
		x->ops->begin(x, 200, NULL);
		x->ops->write(x, "one", 3);
		x->ops->write(x, "two", 3);
		x->ops->end(x);
		break;
	case NOREPLY:
		break;
	case REF_HELD:
		return 0;
	default:
		return CURFEW_ELIMIT;
	}
	x->ops->release(x);
	return 0;
}

static struct harness *set_up(void)
{
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve;
	h_listen(h, "127.0.0.1:0");
	h_route(h, "GET /", HELLO);
	h_route(h, "POST /echo", ECHO);
	h_route(h, "GET /i/:id", INSPECT);
	h_route(h, "PATCH /i/:id", INSPECT);
	h_route(h, "GET /i/special", HELLO);
	h_route(h, "ANY /files/*", INSPECT);
	h_route(h, "GET /stream", STREAM);
	h_route(h, "GET /inject", INJECT);
	h_route(h, "GET /noreply", NOREPLY);
	h_route(h, "GET /empty", EMPTY);
	h_route(h, "GET /refused", 99);
	h_route(h, "PUT /thing", HELLO);
	cfw_value_set(h->def, "max_body", cfw_value_int(1000));
	cfw_value_set(h->def, "max_headers", cfw_value_int(4000));
	return h;
}

static void test_routes(struct harness *h)
{
	struct client *c;
	is_int(ask_once(h, &c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "a route serves");
	is_str(body_of(c), "Hello\n", "its body");
	ok(has(c, "Content-Length: 6\r\n") && has(c, "text/plain"), "its headers");
	is_int(ask(h, c, "GET /i/special HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "the connection is kept");
	is_str(body_of(c), "Hello\n", "a literal segment comes before a parameter");
	is_int(ask(h, c, "GET /i/a%20b%2Fc?q=1%20 HTTP/1.1\r\nHost: x\r\nX-A: 1\r\nx-a: 2\r\n\r\n"), 200, "a parameter");
	is_str(body_of(c),
	       "method=GET path=/i/a b/c target=/i/a%20b%2Fc?q=1%20 query=q=1%20 version=1.1 x=1, 2 body= route=GET /i/:id "
	       "id=a b/c rest=- "
	       "peer=127.0.0.1",
	       "what policy sees of a request");
	is_int(ask(h, c, "PATCH /i/7 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab"), 200, "PATCH");
	ok(has(c, "method=PATCH") && has(c, "body=ab"), "with its body");
	is_int(ask(h, c, "DELETE /files/a/b HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "ANY and a trailing star");
	ok(has(c, "rest=a/b"), "the rest");
	is_int(ask(h, c, "GET /files/ HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "an empty rest");
	is_int(ask(h, c, "GET /files HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "no rest, no match");
	is_int(ask(h, c, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "an unknown path");
	is_int(ask(h, c, "DELETE /thing HTTP/1.1\r\nHost: x\r\n\r\n"), 405, "a known path, another method");
	ok(has(c, "Allow: PUT\r\n"), "405 says what is allowed");
	is_int(ask(h, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 405, "POST where GET is");
	ok(has(c, "Allow: GET, HEAD\r\n"), "GET allows HEAD");
	is_int(ask(h, c, "PROPFIND / HTTP/1.1\r\nHost: x\r\n\r\n"), 501, "a method that nobody knows");
	is_int(ask(h, c, "GET http://other.example/i/special HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "an absolute target");
	is_int(ask(h, c, "GET http://other.example HTTP/1.1\r\nHost: x\r\n\r\n"), 200,
	       "one without a path, on a connection kept");
	client_free(c);
}

static void test_bad_requests(struct harness *h)
{
	static const char *const bad[] = {
		"GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /%2 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /files/../../etc HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /files/%2e%2E/x HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nX A: b\r\n\r\n",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length : 3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
		"nonsense\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
	};
	struct client *c;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		is_int(ask_once(h, &c, bad[i]), 400, "refused: %s", shown(bad[i]));
		client_free(c);
	}
	is_int(ask_once(h, &c, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 501,
	       "an unknown transfer coding");
	ok(has(c, "Connection: close"), "and the connection closes");
	client_free(c);
}

static void test_bodies(struct harness *h)
{
	struct client *c;
	char big[1300];
	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = 0;
	is_int(ask_once(h, &c,
			"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
	       200, "a body in chunks");
	is_str(body_of(c), "abcde", "comes as one");
	client_clear(c);
	client_send(c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1299\r\n\r\n");
	client_send(c, big);
	until(h, whole(c, false));
	is_int(status_of(c), 413, "a body past max_body");
	until(h, !client_poll(c));
	ok(c->eof && !c->reset, "closes the connection without a reset");
	client_free(c);
	c = client_new(h);
	client_send(c, "GET / HTTP/1.1\r\nHost: x\r\nX: ");
	for (int i = 0; i < 4; i++)
		client_send(c, big);
	until(h, !client_poll(c));
	is_int(status_of(c), 400, "headers past max_headers");
	client_free(c);
	is_int(ask_once(h, &c, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"), 100,
	       "100-continue");
	is_int(ask(h, c, "ok"), 200, "then the body");
	client_free(c);
}

static void test_methods(struct harness *h)
{
	struct client *c;
	is_int(ask_once(h, &c, "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "HEAD is served by GET's route");
	ok(has(c, "Content-Length: 6\r\n"), "with the length of GET's body");
	is_str(body_of(c), "", "and no body");
	is_int(ask(h, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "the connection is in step after HEAD");
	is_str(body_of(c), "Hello\n", "its next reply is whole");
	is_int(ask(h, c, "HEAD /stream HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "HEAD of a stream");
	is_str(body_of(c), "", "has no body");
	is_int(ask(h, c, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n"), 204, "204");
	ok(!has(c, "Content-Length") && !*body_of(c), "has neither length nor body");
	is_int(ask(h, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "in step after 204");
	is_int(ask(h, c, "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "a reply in pieces");
	is_str(body_of(c), "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n", "is chunked for HTTP/1.1");
	is_int(ask(h, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200, "Connection: close");
	ok(has(c, "Connection: close\r\n"), "is answered in kind");
	until(h, !client_poll(c));
	ok(c->eof, "and closes");
	client_free(c);
}

static void test_http_1_0(struct harness *h)
{
	struct client *c;
	static const char *const odd[][2] = {
		{"0.1", "HTTP/1.0 200"}, {"0.9", "HTTP/1.0 200"}, {"1.7", "HTTP/1.1 200"}, {"1.-1", "HTTP/1.0 200"}};
	for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
		char text[80];
		snprintf(text, sizeof text, "GET / HTTP/%s\r\nHost: x\r\nConnection: close\r\n\r\n", odd[i][0]);
		ask_once(h, &c, text);
		ok(!strncmp(c->buf, odd[i][1], strlen(odd[i][1])), "HTTP/%s is answered in a version that is ours: %.12s",
		   odd[i][0], c->buf);
		client_free(c);
	}
	is_int(ask_once(h, &c, "GET / HTTP/1.0\r\n\r\n"), 200, "HTTP/1.0");
	until(h, !client_poll(c));
	ok(c->eof, "closes by default");
	client_free(c);
	is_int(ask_once(h, &c, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200, "HTTP/1.0 that asks to be kept");
	ok(has(c, "Connection: keep-alive\r\n") && has(c, "Content-Length: 6"), "is kept");
	is_int(ask(h, c, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 200, "a reply in pieces to HTTP/1.0");
	until(h, !client_poll(c));
	is_str(body_of(c), "onetwo", "is not chunked, and ends with the connection");
	ok(has(c, "Connection: close\r\n") && !has(c, "keep-alive") && !has(c, "Content-Length"), "and says so");
	client_free(c);
	ask_once(h, &c, "GET /stream HTTP/1.0\r\nConnection: keep-alive\r\nConnection: keep-alive\r\n\r\n");
	ok(has(c, "Connection: close\r\n") && !has(c, "keep-alive") && !has(c, "Content-Length"),
	   "also where it was asked twice");
	client_free(c);
	/* nc -N: the sending half is closed, the answer still wanted. */
	c = client_new(h);
	client_send(c, "GET / HTTP/1.0\r\n\r\n");
	shutdown(c->fd, SHUT_WR);
	until(h, !client_poll(c));
	is_str(body_of(c), "Hello\n", "a client that closed its sending half gets its answer");
	client_free(c);
}

static void test_errors(struct harness *h)
{
	struct client *c;
	is_int(ask_once(h, &c, "GET /noreply HTTP/1.1\r\nHost: x\r\n\r\n"), 500, "S6.3: released without a reply is 500");
	is_int(h_stat(h, "errors_500"), 1, "and counted");
	is_int(ask(h, c, "GET /refused HTTP/1.1\r\nHost: x\r\n\r\n"), 500, "policy that cannot take it is 500");
	is_int(ask(h, c, "GET /inject HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "headers that would break the line");
	is_str(body_of(c), "safe", "do not get out");
	ok(!has(c, "Cookie"), "no header of theirs");
	for (int i = 0; i < 4; i++)
		is_int(injected[i], CURFEW_EINVAL, "refused with an error (%d)", i);
	client_free(c);
}

static void test_pipeline(struct harness *h)
{
	struct client *c = client_new(h);
	client_send(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /i/1 HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: "
		       "x\r\nConnection: close\r\n\r\n");
	until(h, !client_poll(c));
	char *first = strstr(c->buf, "Hello\n"), *second = strstr(c->buf, "id=1"), *third = strstr(c->buf, "HTTP/1.1 404");
	ok(first && second && third && first < second && second < third, "pipelined requests are answered in order");
	client_free(c);
}

int main(void)
{
	int fds = count_fds();
	struct harness *h = set_up();
	ok(h_start(h), "starts");
	ok(!strncmp(h->kind->address(h->srv), "127.0.0.1:", 10) && atoi(h->kind->address(h->srv) + 10) > 0,
	   "port 0 becomes a real one");
	test_routes(h);
	test_bad_requests(h);
	test_bodies(h);
	test_methods(h);
	test_http_1_0(h);
	test_errors(h);
	test_pipeline(h);
	is_int(h->gone, 0, "nobody was told that a client is gone");
	until(h, h_stat(h, "connections") == 0);
	is_int(h_stat(h, "connections"), 0, "every connection was seen to end");
	is_int(h_stat(h, "in_flight"), 0, "nothing is in flight");
	h_stop(h);
	until(h, h->stopped);
	is_int(h->stopped, 1, "stops");
	is_int(h->attempt, 2, "with the number of the stop");
	h_free(h);
	is_int(count_fds(), fds, "no descriptor is left");
	return tap_done();
}
