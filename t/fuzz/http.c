/* HTTP in front of evhttp: the input is what a client sends, in pieces, before it ends its half, or leaves for good. Whatever it is, it
 * is answered or the connection is closed, nothing hangs, what comes back is replies, and the next request on a new connection is
 * answered. The routes are looked up by themselves as well: a path that is taken has no ".." and no NUL. */
#define _GNU_SOURCE
#include "fuzz_http.h"

#include "../shell/http_harness.h"
#include "shell/http.h"
#include "shell/http_route.h"

enum { NOW = 1, ECHO, PIECES, LATER, CUT, NOTHING };

static struct harness *h;
static struct cfw_exchange *later;

static int serve(struct harness *of, int64_t ref, struct cfw_exchange *x)
{
	size_t n = 0;
	const char *body = cfw_value_bytes(cfw_value_get(x->request, "body"), &n);
	const char *path = cfw_value_get_str(x->request, "path", "");
	(void)of;
	must(*path == '/' || *path == '*' || !*path, "the path is %s", path);
	if (ref == LATER && !later) {
		later = x;
		return 0;
	}
	if (ref == PIECES) {
		x->ops->begin(x, 200, NULL);
		x->ops->write(x, body, n);
		x->ops->write(x, "piece", 5);
		x->ops->end(x);
	} else if (ref == CUT) {
		x->ops->close(x);
	} else if (ref != NOTHING) {
		x->ops->reply(x, 200, NULL, ref == ECHO ? body : "Hello\n", ref == ECHO ? n : 6);
	}
	x->ops->release(x);
	return 0;
}

static void left(struct harness *of, struct cfw_exchange *x)
{
	(void)of;
	if (later == x)
		later = NULL;
}

static void begin(void)
{
	char address[64];
	h = h_new(&cfw_http_kind);
	h->serve = serve;
	h->left = left;
	snprintf(address, sizeof address, "unix:@curfew-fuzz-%d", (int)getpid());
	h_listen(h, address);
	h_route(h, "GET /", NOW);
	h_route(h, "POST /", ECHO);
	h_route(h, "ANY /pieces/:what", PIECES);
	h_route(h, "GET /later", LATER);
	h_route(h, "GET /cut", CUT);
	h_route(h, "ANY /files/*", NOTHING);
	cfw_value_set(h->def, "max_body", cfw_value_int(1 << 14));
	cfw_value_set(h->def, "max_headers", cfw_value_int(1 << 12));
	must(h_start(h), "%s", h->err.msg);
}

static int dial_abstract(void)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int n = snprintf(un.sun_path + 1, sizeof un.sun_path - 1, "curfew-fuzz-%d", (int)getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd >= 0 &&
		     !connect(fd, (struct sockaddr *)&un, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)),
	     "no connection: %s", strerror(errno));
	return fd;
}

static void answer_later(void)
{
	struct cfw_exchange *x = later;
	later = NULL;
	if (!x)
		return;
	x->ops->reply(x, 503, NULL, "later", 5);
	x->ops->release(x);
}

static void talk(struct fuzz *f, size_t piece, bool leaves)
{
	uint64_t end = cfw_time_now() + 5 * CFW_SEC; /* the server's own limits are real ones */
	size_t left = f->left + 1;
	fuzz_connected(dial_abstract());
	while (f->left && !fuzz_receive() && fuzz_send(f, piece)) {
		event_base_loop(h->base, EVLOOP_NONBLOCK);
		if (f->left == left)
			answer_later(); /* it takes no more before that */
		left = f->left;
		must(cfw_time_now() < end, "it takes no more, and answers nothing");
	}
	if (leaves) {
		close(fuzz_client.fd);
		for (int i = 0; i < 8; i++)
			event_base_loop(h->base, EVLOOP_NONBLOCK);
		answer_later();
		return;
	}
	shutdown(fuzz_client.fd, SHUT_WR);
	end = cfw_time_now() + 5 * CFW_SEC;
	while (!fuzz_receive()) {
		must(cfw_time_now() < end, "it is neither answered nor closed; what came: %.200s", fuzz_client.got);
		event_base_loop(h->base, EVLOOP_NONBLOCK);
		answer_later();
	}
	close(fuzz_client.fd);
	event_base_loop(h->base, EVLOOP_NONBLOCK);
}

static void find(const char *raw)
{
	struct cfw_routes *routes;
	struct cfw_route_match m = {.ref = 0};
	struct cfw_path path;
	char allow[80];
	if (cfw_path_parse(raw, &path))
		return;
	must(strlen(path.text) == path.len && *raw == '/', "a path that is none: %s", raw);
	for (size_t i = 0; i < path.n; i++)
		must(path.at[i + 1] - path.at[i] != 3 || strncmp(path.text + path.at[i], "..", 2) != 0, "%s goes up", raw);
	must(!cfw_routes_new("web", cfw_value_get(h->def, "routes"), &routes, NULL), "no routes");
	must(!cfw_routes_find(routes, CFW_M_GET, &path, &m), "no memory");
	must(m.key || *cfw_routes_allow(m.allow, allow, sizeof allow) || !m.allow, "no Allow");
	cfw_value_free(m.params);
	cfw_routes_free(routes);
	cfw_path_clear(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char good[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	static const size_t pieces[] = {1 << 16, 1, 7, 100};
	struct fuzz f = {data, size}, path = f, next = {(const uint8_t *)good, sizeof good - 1};
	if (!h)
		begin();
	unsigned how = fuzz_byte(&f);
	h->logged[0] = '\0';
	talk(&f, pieces[how & 3], how >> 2 & 1);
	fuzz_replies(NULL);
	size_t n;
	char *raw = fuzz_rest(&path, &n);
	find(raw);
	free(raw);
	talk(&next, sizeof good, false);
	must(fuzz_replies(NULL) == 1 && !strncmp(fuzz_client.got, "HTTP/1.1 200 ", 13), "the next one hears %s",
	     fuzz_client.got);
	return 0;
}
