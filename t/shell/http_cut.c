/* The kind "http": what a cut spares (S4.2), and what stands still for too long. */
#define _GNU_SOURCE
#include "http_harness.h"
#include "shell/http.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

enum { HELD = 1, SOME, BIG, STREAM };
/* More than the kernel takes at once, and more than it buffers between two ends however patient. */
enum { A_LOT = 4 << 20, MUCH = 32 << 20 };
static char *much;

static int serve(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h;
	if (ref == SOME || ref == BIG) {
		x->ops->reply(x, 200, NULL, much, ref == SOME ? A_LOT : MUCH);
		x->ops->release(x);
	} else if (ref == STREAM) {
		x->ops->begin(x, 200, NULL);
		x->ops->write(x, much, MUCH);
		x->ops->flush(x, 77);
	}
	return 0;
}

static struct harness *set_up(const char *key, uint64_t ns)
{
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve;
	h_listen(h, "127.0.0.1:0");
	h_route(h, "GET /held", HELD);
	h_route(h, "GET /some", SOME);
	h_route(h, "GET /big", BIG);
	h_route(h, "GET /stream", STREAM);
	if (key)
		cfw_value_set(h->def, key, cfw_value_int((int64_t)ns));
	h_start(h);
	return h;
}

/* Take what is there and count it, but keep none of it; true while the connection stands. */
static bool drink(struct client *c, size_t *n)
{
	static char sink[1 << 16];
	ssize_t got;
	while ((got = recv(c->fd, sink, sizeof sink, MSG_DONTWAIT)) > 0)
		*n += (size_t)got;
	return got < 0 && errno == EAGAIN;
}

static void test_written_at_once(void)
{
	struct harness *h = set_up(NULL, 0);
	struct client *c = client_new(h), *other = client_new(h);
	client_send(c, GET("/held"));
	until(h, h->served == 1);
	struct cfw_exchange *x = h->last;
	client_send(other, GET("/held"));
	until(h, h->served == 2);
	x->ops->reply(x, 500, NULL, "sorry\n", 6);
	x->ops->release(x);
	h->kind->cut(h->srv, 7);
	is_int(h->stopped, 1, "S4.2: what the kernel takes at once holds no cut up, and needs no turn of the loop");
	is_int(h->attempt, 7, "its own number");
	until(h, !client_poll(c) && !client_poll(other));
	is_int(status_of(c), 500, "S4.2: a reply that was complete is flushed before the cut");
	ok(!strcmp(body_of(c), "sorry\n") && c->eof && !c->reset, "all of it, and then the connection ends");
	is_int((long)other->len, 0, "who was still waiting gets nothing");
	is_int(h->gone, 1, "and is gone");
	is_int(h_stat(h, "cut"), 1, "S9.4: only that one is counted as cut");
	ok(strstr(h->logged, "1 requests in flight on 1 connections") && !strstr(h->logged, "writing"), "S9.4: and logged");
	client_free(c), client_free(other);
	h_free(h);
}

static void test_released_unanswered(void)
{
	struct harness *h = set_up(NULL, 0);
	struct client *c = client_new(h);
	client_send(c, GET("/held"));
	until(h, h->served == 1);
	h->last->ops->release(h->last); /* as an exit call in a handler does */
	h->kind->cut(h->srv, 7);
	until(h, !client_poll(c));
	is_int(status_of(c), 500, "S4.2: so is the 500 of a handler that left without a reply");
	ok(!strstr(h->logged, "cut"), "nothing was cut");
	client_free(c);
	h_free(h);
}

static void test_slow_reader(void)
{
	struct harness *h = set_up(NULL, 0);
	struct client *c = client_new(h), *idle = client_new(h);
	char at[64];
	size_t n = 0;
	snprintf(at, sizeof at, "%s", h->kind->address(h->srv));
	client_send(c, GET("/some") GET("/held"));
	until(h, h->served == 1);
	h->kind->cut(h->srv, 7);
	is_int(h->stopped, 0, "S4.2: a complete reply that the kernel does not take at once goes on");
	is_int(dial(at), -1, "nobody else comes in");
	until(h, !client_poll(idle));
	ok(!client_poll(idle), "an idle connection is closed at once");
	bool stands = true;
	uint64_t began = cfw_time_now();
	until(h, (stands = stands && drink(c, &n), h->stopped));
	ok(cfw_time_now() - began < CFW_SEC, "and ends in time");
	until(h, !(stands = stands && drink(c, &n)));
	ok(n > A_LOT, "the reader had the whole reply (%zu bytes)", n);
	is_int(h->served, 1, "what it had sent behind it is not served any more");
	is_int(h->attempt, 7, "STOPPED answers the cut");
	client_free(c), client_free(idle);
	h_free(h);
}

static void test_no_reader(void)
{
	struct harness *h = set_up(NULL, 0);
	struct client *c = client_new(h);
	client_send(c, GET("/big"));
	until(h, h->served == 1);
	uint64_t began = cfw_time_now();
	h->kind->cut(h->srv, 7);
	until(h, h->stopped);
	uint64_t took = cfw_time_now() - began;
	ok(h->stopped == 1 && took >= 50 * CFW_MS && took < CFW_SEC, "S4.2: who does not read is cut within 100 ms (%d ms)",
	   (int)(took / CFW_MS));
	is_int(h_stat(h, "cut"), 1, "S9.4: counted");
	ok(strstr(h->logged, "writing the reply"), "S9.4: and logged");
	client_free(c);

	h_start(h);
	c = client_new(h);
	client_send(c, GET("/big"));
	until(h, h->served == 2);
	h->kind->cut(h->srv, 8);
	is_int(h->stopped, 1, "started anew, the same");
	h->kind->cut(h->srv, 9);
	ok(h->stopped == 2 && h->attempt == 9, "a second cut waits for nothing");
	client_free(c);

	h_start(h);
	c = client_new(h);
	client_send(c, GET("/big"));
	until(h, h->served == 3);
	h->kind->cut(h->srv, 10);
	h_free(h); /* nor does the end of everything */
	client_free(c);
}

static void test_cut_in_a_drain(void)
{
	struct harness *h = set_up(NULL, 0);
	struct client *c = client_new(h);
	client_send(c, GET("/held"));
	until(h, h->served == 1);
	h_stop(h);
	h->last->ops->reply(h->last, 200, NULL, "ok", 2);
	h->last->ops->release(h->last);
	h->kind->cut(h->srv, 3);
	until(h, !client_poll(c));
	ok(h->stopped == 1 && h->attempt == 3 && status_of(c) == 200, "a cut in a drain spares it too");
	client_free(c);
	h_free(h);
}

static void test_refused(void)
{
	struct harness *h = set_up("max_body", 10);
	struct client *c = client_new(h);
	client_send(c, "rubbish\r\n\r\n");
	until(h, h_stat(h, "4xx") == 1);
	h->kind->cut(h->srv, 3);
	until(h, !client_poll(c));
	is_int(status_of(c), 400, "S4.2: the answer to what is no request is spared as well");
	client_free(c);

	h_start(h);
	c = client_new(h);
	is_int(ask(h, c, "POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n12345678901"), 413, "a body too large");
	client_free(c);
	ok(h_stat(h, "requests") == 2 && h_stat(h, "4xx") == 2, "what is refused unread is a request and a reply in stats");
	c = client_new(h);
	is_int(ask(h, c, "CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n"), 501, "CONNECT");
	client_free(c);
	ok(h_stat(h, "requests") == 3 && h_stat(h, "5xx") == 1, "is counted");
	c = client_new(h);
	client_send(c, "GET /held HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	until(h, has(c, "100 Continue"));
	is_int(h_stat(h, "requests"), 3, "100 Continue is no reply");
	client_send(c, "ab");
	until(h, h->served == 1);
	h->last->ops->reply(h->last, 200, NULL, "ok", 2);
	h->last->ops->release(h->last);
	until(h, has(c, "200 OK"));
	ok(h_stat(h, "requests") == 4 && h_stat(h, "2xx") == 1, "what follows it is");
	client_free(c);
	h_free(h);
}

static void test_read_stall(void)
{
	struct harness *h = set_up("request_timeout", 60 * CFW_MS);
	struct client *c = client_new(h);
	uint64_t began = cfw_time_now();
	client_send(c, "GET /held HTTP/1.1\r\nHos");
	until(h, !client_poll(c));
	uint64_t took = cfw_time_now() - began;
	ok(c->eof && took >= 60 * CFW_MS && took < CFW_SEC, "half a request that stands still is given up (%d ms)",
	   (int)(took / CFW_MS));
	client_free(c);
	h_free(h);
}

static void test_write_stall(void)
{
	struct harness *h = set_up("write_stall", 300 * CFW_MS);
	struct client *c = client_new(h);
	client_send(c, GET("/big"));
	until(h, h->served == 1);
	until(h, h_stat(h, "connections") == 0);
	is_int(h_stat(h, "connections"), 0, "a reply of which nothing is taken is given up");
	client_free(c);

	c = client_new(h);
	client_send(c, GET("/stream"));
	until(h, h->gone);
	is_int(h->gone, 1, "so is one in pieces: its handler hears that it is gone");
	ok(h->answered == 77 && h->answer_code == CURFEW_ECANCELED, "and so does the flush that it waits on");
	client_free(c);

	c = client_new(h);
	size_t n = 0;
	bool stands = true;
	client_send(c, GET("/some"));
	until(h, (stands = stands && drink(c, &n), n > A_LOT));
	ok(n > A_LOT && stands, "who goes on taking gets all of it");
	client_free(c);
	h_free(h);
}

int main(void)
{
	int fds = count_fds();
	much = calloc(1, MUCH);
	test_written_at_once();
	test_released_unanswered();
	test_slow_reader();
	test_no_reader();
	test_cut_in_a_drain();
	test_refused();
	test_read_stall();
	test_write_stall();
	free(much);
	is_int(count_fds(), fds, "no descriptor is left");
	return tap_done();
}
