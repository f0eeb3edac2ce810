/* Clients that do anything, handlers that do anything, stops at any moment: whatever happens, each conversation ends once, each
 * stop is reported once, and nothing is left. Worth the more under the sanitizers. */
#define _GNU_SOURCE
#include "http_harness.h"
#include "shell/http.h"
#include "shell/tcp.h"

enum { CLIENTS = 24, ROUNDS = 150, HELD = 256 };

static unsigned seed;

static unsigned rnd(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return (seed >> 8) % below;
}

/* ---- handlers ---- */

static struct cfw_exchange *held[HELD];
static int n_held, released;
static char piece[1 << 16];

/* Do one thing with x; true when it was released. */
static bool act(struct harness *h, struct cfw_exchange *x)
{
	static uint64_t token;
	struct cfw_value *close = cfw_value_map();
	bool gone = false;
	(void)h;
	cfw_value_set(close, "Connection", cfw_value_str("close"));
	switch (rnd(12)) {
	case 0:
	case 1:
		x->ops->reply(x, 200, NULL, piece, rnd(2) ? 10 : sizeof piece);
		break;
	case 2:
		x->ops->reply(x, 204, close, NULL, 0);
		break;
	case 3:
		x->ops->begin(x, 200, rnd(2) ? close : NULL);
		break;
	case 4:
	case 5:
		x->ops->write(x, piece, rnd(sizeof piece));
		break;
	case 6:
		x->ops->end(x);
		break;
	case 7:
		x->ops->flush(x, ++token);
		break;
	case 8:
		x->ops->read(x, rnd(100), ++token);
		break;
	case 9:
		if (!rnd(4))
			x->ops->close(x);
		break;
	default:
		x->ops->release(x);
		released++;
		gone = true;
	}
	cfw_value_free(close);
	return gone;
}

static void act_on_some(struct harness *h)
{
	for (int i = 0; i < n_held; i++)
		if (!rnd(3) && act(h, held[i]))
			held[i--] = held[--n_held];
}

static int serve(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)ref;
	if (n_held == HELD || !rnd(20)) {
		h->served--;
		return CURFEW_ELIMIT;
	}
	for (unsigned n = rnd(4); n; n--)
		if (act(h, x))
			return 0;
	held[n_held++] = x;
	return 0;
}

static void left(struct harness *h, struct cfw_exchange *x)
{
	(void)h;
	for (int i = 0; i < n_held; i++)
		if (held[i] == x) {
			held[i] = held[--n_held];
			return;
		}
	h->closed += 1000; /* told of one that was released, or never handed over */
}

/* ---- clients ---- */

static void misbehave(const char *addr, int *fd)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
		"01234",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
		"GET /",
		" HTTP/1.1\r\nHost: x\r\n",
		"\r\n",
		"PUT / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n",
		"\x01\x02\xff\r\n\r\n",
	};
	char buf[8192];
	if (*fd < 0) {
		*fd = dial(addr);
		return;
	}
	unsigned what = rnd(10);
	if (what < 6) {
		const char *text = texts[rnd(sizeof texts / sizeof *texts)];
		if (send(*fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno != EAGAIN)
			what = 9;
	} else if (what < 8) {
		if (recv(*fd, buf, sizeof buf, MSG_DONTWAIT) == 0)
			what = 9;
	} else if (what == 8) {
		shutdown(*fd, SHUT_WR);
	}
	if (what == 9) {
		struct linger now = {1, 0};
		if (rnd(2))
			setsockopt(*fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		close(*fd);
		*fd = -1;
	}
}

static int one_round(const struct cfw_kind *kind, const char *addr)
{
	struct harness *h = h_new(kind);
	int fds[CLIENTS], wrong = 0;
	n_held = released = 0;
	h->serve = serve;
	h->left = left;
	h_listen(h, addr);
	h_route(h, "ANY /", 1);
	cfw_value_set(h->def, "handler", cfw_value_ref(1));
	cfw_value_set(h->def, "keep_alive", cfw_value_int((int64_t)(20 * CFW_MS)));
	cfw_value_set(h->def, "idle_grace", cfw_value_int((int64_t)(5 * CFW_MS)));
	if (rnd(2))
		cfw_value_set(h->def, "drain", cfw_value_int((int64_t)(10 * CFW_MS)));
	if (!h_start(h))
		tap_bail("%s", h->err.msg);
	char *where = strdup(h->kind->address(h->srv));
	memset(fds, -1, sizeof fds);
	unsigned steps = 10 + rnd(60), stop_at = rnd(steps), lame_at = rnd(steps);
	for (unsigned s = 0; s < steps && !h->stopped; s++) {
		for (int i = 0; i < 4; i++) {
			/* Connecting blocks, and a barred listener does not answer: no newcomers behind the stop. */
			int *fd = &fds[rnd(CLIENTS)];
			if (s < stop_at || *fd >= 0)
				misbehave(where, fd);
		}
		if (s == lame_at && h->kind->lame)
			h->kind->lame(h->srv);
		if (s == stop_at)
			h_stop(h);
		act_on_some(h);
		if (rnd(2))
			h_turn(h);
	}
	if (rnd(2)) {
		uint64_t end = cfw_time_now() + 15 * CFW_MS;
		while (!h->stopped && cfw_time_now() < end) {
			act_on_some(h);
			h_turn(h);
		}
	}
	if (!h->stopped)
		h->kind->cut(h->srv, 3);
	for (uint64_t end = cfw_time_now() + CFW_SEC; !h->stopped && cfw_time_now() < end;) {
		act_on_some(h); /* complete replies are still being written */
		h_turn(h);
	}
	wrong += h->stopped != 1 || h->closed;
	while (n_held) {
		n_held--;
		held[n_held]->ops->release(held[n_held]);
		released++;
	}
	wrong += h->served != released + h->gone;
	if (wrong)
		tap_diag("stopped %d, closed %d, served %d, released %d, gone %d", h->stopped, h->closed, h->served, released,
			 h->gone);
	for (int i = 0; i < CLIENTS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(where);
	h_free(h);
	return wrong;
}

static void test(const char *name, const struct cfw_kind *kind, const char *addr)
{
	int wrong = 0, fds = count_fds();
	for (int i = 0; i < ROUNDS; i++)
		wrong += one_round(kind, addr);
	is_int(wrong, 0, "%s at %s: in %d rounds each conversation ended once, each stop was reported once", name, addr,
	       ROUNDS);
	is_int(count_fds(), fds, "no descriptor is left");
}

static int warnings;

static void on_warning(int severity, const char *msg)
{
	tap_diag("libevent (%d): %s", severity, msg);
	warnings++;
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/curfew-chaos-XXXXXX", addr[64];
	seed = argc > 1 ? (unsigned)atoi(argv[1]) : (unsigned)getpid();
	tap_diag("seed %u", seed);
	event_set_log_callback(on_warning);
	test("http", &cfw_http_kind, "127.0.0.1:0");
	test("tcp", &cfw_tcp_kind, "127.0.0.1:0");
	if (mkdtemp(dir)) {
		snprintf(addr, sizeof addr, "unix:%s/sock", dir);
		test("http", &cfw_http_kind, addr);
		test("tcp", &cfw_tcp_kind, addr);
		rmdir(dir);
	}
	is_int(warnings, 0, "libevent has nothing to complain of");
	return tap_done();
}
