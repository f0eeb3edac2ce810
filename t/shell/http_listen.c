/* Where the kinds "http" and "tcp" listen, and what a definition may say. */
#define _GNU_SOURCE
#include <sys/stat.h>

#include "http_harness.h"
#include "shell/http.h"
#include "shell/tcp.h"

static int serve(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h, (void)ref;
	const char *peer = cfw_value_get_str(x->request, "peer", "");
	x->ops->reply(x, 200, NULL, peer, strlen(peer));
	x->ops->release(x);
	return 0;
}

static struct harness *prepare(const char *addr)
{
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve;
	if (addr)
		h_listen(h, addr);
	h_route(h, "GET /", 1);
	return h;
}

static void stop_and_free(struct harness *h)
{
	h_stop(h);
	until(h, h->stopped);
	h_free(h);
}

/* It serves at address, and names the peer as want. */
static void serves(struct harness *h, const char *address, const char *want)
{
	struct client *c = client_to(address);
	is_int(ask(h, c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), 200, "serves at %s", want);
	ok(!strncmp(body_of(c), want, strlen(want)), "whose clients are %s", body_of(c));
	client_free(c);
}

static void test_addresses(const char *dir)
{
	char addr[128], text[256];
	struct harness *h = prepare("127.0.0.1:0");
	ok(h_start(h), "IPv4");
	serves(h, h->kind->address(h->srv), "127.0.0.1:");
	stop_and_free(h);
	h = prepare("localhost:0");
	ok(h_start(h) && !strncmp(h->kind->address(h->srv), "127.0.0.1:", 10), "localhost");
	stop_and_free(h);
	h = prepare("[::1]:0");
	if (h_start(h)) {
		serves(h, h->kind->address(h->srv), "[::1]:");
		stop_and_free(h);
	} else {
		ok(true, "# SKIP no IPv6 here: %s", h->err.msg);
		h_free(h);
	}
	h = prepare(":0");
	ok(h_start(h), "everywhere");
	snprintf(text, sizeof text, "127.0.0.1:%s", strrchr(h->kind->address(h->srv), ':') + 1);
	serves(h, text, strchr(h->kind->address(h->srv), '[') ? "[::ffff:127.0.0.1]:" : "127.0.0.1:");
	stop_and_free(h);
	snprintf(addr, sizeof addr, "unix:%s/several", dir);
	h = prepare("127.0.0.1:0");
	h_listen(h, addr);
	h_listen(h, "127.0.0.1:0");
	ok(h_start(h), "several addresses");
	char *second = strstr(h->kind->address(h->srv), ", unix:");
	ok(second && strrchr(second, ','), "are all named: %s", h->kind->address(h->srv));
	serves(h, addr, "unix");
	serves(h, strrchr(h->kind->address(h->srv), ' ') + 1, "127.0.0.1:");
	stop_and_free(h);
	ok(access(addr + 5, F_OK) < 0, "a socket file is removed at the end");
}

static void test_in_use(const char *dir)
{
	char addr[128], want[256];
	struct harness *a = prepare("127.0.0.1:0"), *b;
	h_start(a);
	b = prepare("127.0.0.1:0");
	h_listen(b, a->kind->address(a->srv));
	ok(!h_start(b) && b->failed == 1, "an address in use fails the start");
	snprintf(want, sizeof want, "web: cannot listen on %s: Address already in use", a->kind->address(a->srv));
	is_str(b->err.msg, want, "and says so");
	is_int(b->attempt, 1, "with the number of the start");
	b->kind->cut(b->srv, 4);
	is_int(b->stopped, 1, "what failed to start can be cut");
	h_free(b);
	stop_and_free(a);

	snprintf(addr, sizeof addr, "unix:%s/live", dir);
	a = prepare(addr);
	h_start(a);
	b = prepare(addr);
	ok(!h_start(b) && strstr(b->err.msg, "Address already in use"), "S10.1: a live unix socket is in use: %s", b->err.msg);
	serves(a, addr, "unix");
	h_free(b);
	unlink(addr + 5);
	b = prepare(addr);
	ok(h_start(b), "its file was taken by another");
	stop_and_free(a);
	serves(b, addr, "unix");
	stop_and_free(b);
	ok(access(addr + 5, F_OK) < 0, "each removes its own file only");

	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	snprintf(un.sun_path, sizeof un.sun_path, "%.100s", addr + 5);
	ok(!bind(fd, (struct sockaddr *)&un, sizeof un), "a socket file");
	close(fd);
	a = prepare(addr);
	ok(h_start(a), "that nobody serves any more is replaced");
	serves(a, addr, "unix");
	stop_and_free(a);

	FILE *f = fopen(addr + 5, "w");
	fclose(f);
	a = prepare(addr);
	ok(!h_start(a) && strstr(a->err.msg, "File exists"), "a file that is no socket is left alone: %s", a->err.msg);
	h_free(a);
	ok(!access(addr + 5, F_OK), "it is still there");
	unlink(addr + 5);
	snprintf(addr, sizeof addr, "unix:%s/none/sock", dir);
	a = prepare(addr);
	ok(!h_start(a) && strstr(a->err.msg, "No such file or directory"), "no such folder: %s", a->err.msg);
	h_free(a);
}

static void test_wrong_definitions(void)
{
	static const struct {
		const char *addr, *route, *want;
	} wrong[] = {
		{NULL, NULL, "web: listen is missing"},
		{"127.0.0.1", NULL, "web: listen \"127.0.0.1\": a port is missing"},
		{"127.0.0.1:65536", NULL, "\"65536\" is no port"},
		{"127.0.0.1:", NULL, "\"\" is no port"},
		{"127.0.0.1:80x", NULL, "\"80x\" is no port"},
		{"300.0.0.1:80", NULL, "not an address"},
		{"::1:80", NULL, "not an address"},
		{"[::1]80", NULL, "a port is missing"},
		{"[127.0.0.1]:80", NULL, "not an address"},
		{"unix:", NULL, "a path is missing"},
		{"127.0.0.1:0", "GTE /x", "web: route \"GTE /x\": unknown method \"GTE\", did you mean \"GET\"?"},
		{"127.0.0.1:0", "GET x", "a method and a path are expected"},
		{"127.0.0.1:0", "/x", "a method and a path are expected"},
		{"127.0.0.1:0", "GET /a/:", "\":\" needs a name"},
		{"127.0.0.1:0", "GET /*/a", "\"*\" must be the last segment"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		struct harness *h = prepare(wrong[i].addr);
		if (wrong[i].route)
			h_route(h, wrong[i].route, 2);
		ok(!h_start(h) && strstr(h->err.msg, wrong[i].want), "refused: %s", h->err.msg);
		h_free(h);
	}
	struct harness *h = prepare("127.0.0.1:0");
	char path[200] = "unix:/";
	memset(path + 6, 'x', 150);
	h_listen(h, path);
	ok(!h_start(h) && strstr(h->err.msg, "at most 107 are possible"), "a path too long for a socket");
	h_free(h);
	h = prepare("127.0.0.1:0");
	h_route(h, "GET /a/:b", 2);
	h_route(h, "GET /a/:c", 3);
	ok(!h_start(h) && strstr(h->err.msg, "is the same as \"GET /a/:b\""), "two routes that are one: %s", h->err.msg);
	h_free(h);
	h = prepare("127.0.0.1:0");
	cfw_value_set(h->def, "routes", cfw_value_map());
	struct cfw_value *routes = cfw_value_map();
	cfw_value_set(routes, "GET /", cfw_value_int(3));
	cfw_value_set(h->def, "routes", routes);
	ok(!h_start(h) && strstr(h->err.msg, "not a function"), "a route without a function");
	h_free(h);
}

static int serve_route(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	struct cfw_value *map = cfw_value_map();
	(void)h, (void)ref;
	cfw_value_set(map, "X-Route", cfw_value_str(cfw_value_get_str(x->request, "route", "none")));
	x->ops->reply(x, 200, map, "", 0);
	x->ops->release(x);
	cfw_value_free(map);
	return 0;
}

/* The most particular route wins, whatever the order. */
static void test_precedence(void)
{
	static const char *const keys[] = {"ANY /*",  "GET /:a",    "GET /x",    "ANY /x",
					   "HEAD /x", "GET /x/:id", "GET /:a/y", "GET /x/*"};
	static const struct {
		const char *line, *route;
	} cases[] = {
		{"GET /", "ANY /*"},       {"GET /q", "GET /:a"},      {"POST /q", "ANY /*"},      {"GET /x", "GET /x"},
		{"POST /x", "ANY /x"},     {"HEAD /x", "HEAD /x"},     {"GET /x/1", "GET /x/:id"}, {"GET /x/1/2", "GET /x/*"},
		{"GET /q/y", "GET /:a/y"}, {"GET /x/y", "GET /x/:id"}, {"GET /q/z", "ANY /*"},
	};
	struct harness *h = h_new(&cfw_http_kind);
	h->serve = serve_route;
	h_listen(h, "127.0.0.1:0");
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		h_route(h, keys[i], (int64_t)i + 1);
	h_start(h);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client *c;
		char text[128], want[64];
		snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", cases[i].line);
		snprintf(want, sizeof want, "X-Route: %s\r\n", cases[i].route);
		ask_once(h, &c, text);
		ok(has(c, want), "%s goes to %s", cases[i].line, cases[i].route);
		client_free(c);
	}
	stop_and_free(h);
}

static void test_fallback(void)
{
	struct harness *h = prepare("127.0.0.1:0");
	struct client *c;
	cfw_value_set(h->def, "handler", cfw_value_ref(5));
	h_start(h);
	is_int(ask_once(h, &c, "GET /any/where HTTP/1.1\r\nHost: x\r\n\r\n"), 200, "what no route takes goes to the handler");
	is_int(ask(h, c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"), 200,
	       "another method of a known path, too");
	client_free(c);
	h->serve = NULL;
	is_int(ask_once(h, &c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 500, "policy cannot take it: 500");
	h->kind->lame(h->srv);
	is_int(ask(h, c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 503, "during a stop: 503");
	client_free(c);
	stop_and_free(h);
	h = h_new(&cfw_http_kind);
	h_listen(h, "127.0.0.1:0");
	h_start(h);
	is_int(ask_once(h, &c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 404, "no route and no handler: 404");
	client_free(c);
	stop_and_free(h);
}

int main(void)
{
	char dir[] = "/tmp/curfew-listen-XXXXXX";
	int fds = count_fds();
	if (!mkdtemp(dir))
		tap_bail("mkdtemp: %s", strerror(errno));
	test_addresses(dir);
	test_in_use(dir);
	test_wrong_definitions();
	test_precedence();
	test_fallback();
	ok(!rmdir(dir), "no file is left");
	is_int(count_fds(), fds, "no descriptor is left");
	return tap_done();
}
