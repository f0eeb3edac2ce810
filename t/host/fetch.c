/* The service fetch, against a small server of this test's own. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "rig.h"

/* ---- the server: reads a request, answers with what its path asks for ---- */

struct conn {
	struct rig *r;
	struct curfew_watch *watch;
	int fd;
	size_t n;
	char buf[300000];
};

static char seen[300000]; /* the last request */
static size_t seen_len;
static int open_conns, served;

static void hang_up(struct conn *c)
{
	c->r->loop.ops->watch(c->r->loop.loop, &c->watch, c->fd, 0, NULL, NULL);
	close(c->fd);
	free(c);
	open_conns--;
}

static void say(int fd, const char *s)
{
	for (size_t n = strlen(s); n;) {
		ssize_t k = send(fd, s, n, MSG_NOSIGNAL);
		if (k < 0 && errno == EAGAIN)
			continue;
		if (k <= 0)
			return;
		s += k;
		n -= (size_t)k;
	}
}

/* The whole request is there: head, and as much body as Content-Length says. */
static bool whole(const struct conn *c)
{
	const char *end = strstr(c->buf, "\r\n\r\n"), *len = strcasestr(c->buf, "content-length:");
	size_t body = len && len < end ? strtoul(len + 15, NULL, 10) : 0;
	return end && c->n >= (size_t)(end + 4 - c->buf) + body;
}

static void respond(struct conn *c)
{
	served++;
	if (strstr(c->buf, " /hello")) {
		say(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-One: a\r\nx-one:  b \r\nContent-Type: "
			   "text/plain\r\n\r\nhello\n");
	} else if (strstr(c->buf, " /odd")) {
		char line[600];
		memset(line, 'n', sizeof line);
		memcpy(line + sizeof line - 11, ": long\r\n\r\n", 11);
		say(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX-Bare: \t \r\n");
		say(c->fd, line);
	} else if (strstr(c->buf, " /missing")) {
		say(c->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
	} else if (strstr(c->buf, " /move")) {
		say(c->fd, "HTTP/1.1 302 Found\r\nLocation: /hello\r\nContent-Length: 0\r\n\r\n");
	} else if (strstr(c->buf, " /file")) {
		say(c->fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n");
	} else if (strstr(c->buf, " /chunks")) {
		say(c->fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
	} else if (strstr(c->buf, " /big")) {
		say(c->fd, "HTTP/1.1 200 OK\r\n\r\n");
		for (int i = 0; i < 20; i++)
			say(c->fd, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890"
				   "123456789");
	} else if (strstr(c->buf, " /headers")) {
		char line[9000];
		say(c->fd, "HTTP/1.1 200 OK\r\n");
		memset(line, 'h', sizeof line);
		memcpy(line, "X: ", 3);
		memcpy(line + sizeof line - 3, "\r\n", 3);
		for (int i = 0; i < 40; i++)
			say(c->fd, line);
		say(c->fd, "\r\n");
	} else if (strstr(c->buf, " /cut")) {
		say(c->fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
	} else if (strstr(c->buf, " /garbage")) {
		say(c->fd, "\1\2\3 what\r\n\r\n");
	} else if (strstr(c->buf, " /never"))
		return;
	hang_up(c);
}

static void on_conn(void *ud, int fd, unsigned what)
{
	(void)what;
	struct conn *c = ud;
	ssize_t n = recv(fd, c->buf + c->n, sizeof c->buf - 1 - c->n, 0);
	if (n <= 0) {
		hang_up(c);
		return;
	}
	c->n += (size_t)n;
	c->buf[c->n] = '\0';
	memcpy(seen, c->buf, c->n + 1);
	seen_len = c->n;
	if (whole(c))
		respond(c);
}

static void on_listener(void *ud, int fd, unsigned what)
{
	(void)what;
	struct rig *r = ud;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct conn *c = s < 0 ? NULL : calloc(1, sizeof *c);
	if (!c)
		return;
	c->r = r;
	c->fd = s;
	open_conns++;
	r->loop.ops->watch(r->loop.loop, &c->watch, s, CURFEW_READ, on_conn, c);
}

static struct curfew_watch *listeners[2];
static int listener_fd[2], port;
static char sock_path[160];

static void serve(struct rig *r)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	socklen_t n = sizeof in;
	snprintf(sock_path, sizeof sock_path, "%s/sock", r->dir);
	snprintf(un.sun_path, sizeof un.sun_path, "%s/sock", r->dir);
	listener_fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	listener_fd[1] = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (bind(listener_fd[0], (void *)&in, n) || bind(listener_fd[1], (void *)&un, sizeof un) ||
	    getsockname(listener_fd[0], (void *)&in, &n))
		tap_bail("cannot listen");
	port = ntohs(in.sin_port);
	for (int i = 0; i < 2; i++) {
		listen(listener_fd[i], 64);
		r->loop.ops->watch(r->loop.loop, &listeners[i], listener_fd[i], CURFEW_READ, on_listener, r);
	}
}

static void serve_no_more(struct rig *r)
{
	for (int i = 0; i < 2; i++) {
		r->loop.ops->watch(r->loop.loop, &listeners[i], listener_fd[i], 0, NULL, NULL);
		close(listener_fd[i]);
	}
}

/* ---- the client ---- */

static uint64_t tokens = 1;
static struct curfew_err refused;

static const struct cfw_service *fetch(struct rig *r)
{
	size_t n;
	const struct cfw_service *s = cfw_host_services(r->host, &n);
	while (strcmp(s->name, "fetch") != 0)
		s++;
	return s;
}

static struct cfw_value *url(const char *path)
{
	char text[256];
	struct cfw_value *v = cfw_value_map();
	snprintf(text, sizeof text, "http://127.0.0.1:%d%s", port, path);
	cfw_value_set(v, "url", cfw_value_str(text));
	return v;
}

static struct cfw_value *with(struct cfw_value *v, const char *key, struct cfw_value *to)
{
	cfw_value_set(v, key, to);
	return v;
}

static uint64_t begin(struct rig *r, struct cfw_value *args)
{
	memset(&refused, 0, sizeof refused);
	int e = fetch(r)->begin(r->host, &r->env, ++tokens, args, &refused);
	cfw_value_free(args);
	return e ? 0 : tokens;
}

static const struct rig_answer *call(struct rig *r, struct cfw_value *args)
{
	static struct rig_answer none;
	size_t before = r->n_answers;
	uint64_t token = begin(r, args);
	if (!token) {
		none.err = refused;
		return &none;
	}
	rig_until(r, r->n_answers > before, 5000);
	const struct rig_answer *a = &r->answers[(r->n_answers - 1) % RIG_ANSWERS];
	if (r->n_answers != before + 1 || a->token != token)
		tap_bail("no answer");
	return a;
}

static const char *header(const struct rig_answer *a, const char *name)
{
	return cfw_value_get_str(cfw_value_get(a->value, "headers"), name, NULL);
}

static void test_replies(struct rig *r)
{
	const struct rig_answer *a = call(r, url("/hello"));
	is_str(a->err.msg, "", "a GET");
	is_int(cfw_value_get_int(a->value, "status", 0), 200, "status");
	is_str(cfw_value_get_str(a->value, "body", NULL), "hello\n", "body");
	is_str(header(a, "content-type"), "text/plain", "headers, in lower case");
	is_str(header(a, "x-one"), "a, b", "several of one name are joined");
	ok(!strncmp(seen, "GET /hello HTTP/1.1\r\n", 21), "by a proper request");
	ok(strstr(seen, "\r\nUser-Agent: curfew/"), "with our name");
	a = call(r, url("/missing"));
	is_int(cfw_value_get_int(a->value, "status", 0), 404, "a 404 is an answer");
	a = call(r, url("/chunks"));
	is_str(cfw_value_get_str(a->value, "body", NULL), "abcdefg", "a chunked body");
	a = call(r, with(url("/hello"), "method", cfw_value_str("HEAD")));
	is_int(cfw_value_get_int(a->value, "status", 0), 200, "HEAD");
	ok(!strncmp(seen, "HEAD /hello", 11), "asks so");
	is_str(cfw_value_get_str(a->value, "body", NULL), "", "and expects no body");
	a = call(r, url("/odd"));
	is_str(header(a, "x-bare"), "", "a header without a value");
	ok(a->value && cfw_value_len(cfw_value_get(a->value, "headers")) == 2, "one of a name without end is left out");
	a = call(r, with(url("/hello"), "timeout", cfw_value_int(INT64_MAX)));
	is_int(cfw_value_get_int(a->value, "status", 0), 200, "a timeout of centuries");
	a = call(r, with(url("/never"), "timeout", cfw_value_int(0)));
	is_str(cfw_err_name(&a->err), "ETIMEDOUT", "one of no time");
	a = call(r, with(cfw_value_map(), "url", cfw_value_str("https://127.0.0.1:1/")));
	is_str(cfw_err_name(&a->err), "ECONNREFUSED", "https is asked, too");
	a = call(r, with(url("/hello"), "unix", cfw_value_str(sock_path)));
	is_str(cfw_value_get_str(a->value, "body", NULL), "hello\n", "over a unix socket");
}

static void test_requests(struct rig *r)
{
	struct cfw_value *headers = cfw_value_map();
	cfw_value_set(headers, "X-Mine", cfw_value_str("yes"));
	cfw_value_set(headers, "X-Empty", cfw_value_str(""));
	cfw_value_set(headers, "X-Two", rig_list("1", "2", NULL));
	const struct rig_answer *a = call(r, with(with(url("/hello"), "headers", headers), "body", cfw_value_strn("a\0b", 3)));
	is_int(cfw_value_get_int(a->value, "status", 0), 200, "a body is sent");
	ok(!strncmp(seen, "POST /hello", 11), "by POST");
	ok(strstr(seen, "\r\nX-Mine: yes\r\n") && strstr(seen, "\r\nX-Empty:\r\n") &&
		   strstr(seen, "\r\nX-Two: 1\r\nX-Two: 2\r\n"),
	   "with the headers given");
	ok(!strcasestr(seen, "\r\nContent-Type:") && !strcasestr(seen, "\r\nExpect:"), "and none that nobody asked for");
	ok(seen_len > 7 && !memcmp(seen + seen_len - 7, "\r\n\r\na\0b", 7), "as bytes");
	char *big = calloc(1, 200001);
	memset(big, 'x', 200000);
	a = call(r, with(with(url("/hello"), "method", cfw_value_str("PUT")), "body", cfw_value_str(big)));
	free(big);
	is_int(cfw_value_get_int(a->value, "status", 0), 200, "a large body");
	ok(!strncmp(seen, "PUT /hello", 10) && strstr(seen, "Content-Length: 200000\r\n"), "by PUT");
	call(r, with(url("/hello"), "method", cfw_value_str("DELETE")));
	ok(!strncmp(seen, "DELETE /hello", 13), "DELETE");
}

static void test_redirects(struct rig *r)
{
	const struct rig_answer *a = call(r, url("/move"));
	is_int(cfw_value_get_int(a->value, "status", 0), 302, "a redirect is not followed");
	is_str(header(a, "location"), "/hello", "but shown");
	a = call(r, with(url("/move"), "redirects", cfw_value_int(2)));
	is_str(cfw_value_get_str(a->value, "body", NULL), "hello\n", "unless asked for");
	ok(!header(a, "location"), "then the headers are those of the last reply");
	a = call(r, with(url("/file"), "redirects", cfw_value_int(2)));
	ok(a->err.code, "S10.4: to http and https only");
}

static void test_failures(struct rig *r)
{
	int there = port;
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof in;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, not listening: nobody else gets that port */
	if (bind(fd, (void *)&in, n) || getsockname(fd, (void *)&in, &n))
		tap_bail("no port");
	port = ntohs(in.sin_port);
	const struct rig_answer *a = call(r, url("/hello"));
	is_str(cfw_err_name(&a->err), "ECONNREFUSED", "a port where nobody listens");
	ok(strstr(a->err.msg, "http://127.0.0.1:"), "the URL is in the text");
	close(fd);
	port = there;
	uint64_t began = cfw_time_now();
	a = call(r, with(url("/never"), "timeout", cfw_value_int((int64_t)(120 * CFW_MS))));
	is_str(cfw_err_name(&a->err), "ETIMEDOUT", "a server that does not answer");
	ok(strstr(a->err.msg, "no reply within 120ms"), "is said so");
	ok(cfw_time_now() - began >= 110 * CFW_MS, "when its time is over");
	a = call(r, url("/cut"));
	is_str(cfw_err_name(&a->err), "ECONNRESET", "a reply that breaks off");
	a = call(r, url("/nothing"));
	is_str(cfw_err_name(&a->err), "ECONNRESET", "a connection closed without a reply");
	a = call(r, url("/garbage"));
	ok(a->err.code, "no HTTP at all");
	a = call(r, with(url("/big"), "max_body", cfw_value_int(1999)));
	is_str(cfw_err_name(&a->err), "ELIMIT", "a body that is too large");
	a = call(r, with(url("/big"), "max_body", cfw_value_int(2000)));
	is_int((long long)cfw_value_len(cfw_value_get(a->value, "body")), 2000, "one that just fits");
	a = call(r, url("/headers"));
	ok(a->err.code, "headers without end");
	a = call(r, with(url("/hello"), "unix", cfw_value_str("/no/such/socket")));
	ok(a->err.code, "a unix socket that is not there");
	a = call(r, with(cfw_value_map(), "url", cfw_value_str("http://no-such-host.invalid/")));
	ok(a->err.code == CURFEW_ENOENT, "a host that has no address");
}

static void test_refusals(struct rig *r)
{
	static const char *const bad[] = {"file:///etc/passwd", "ftp://127.0.0.1/", "127.0.0.1/", ""};
	for (size_t i = 0; i < 4; i++) {
		call(r, with(cfw_value_map(), "url", cfw_value_str(bad[i])));
		is_str(refused.msg, "url must begin with http:// or https://", "S10.4: http and https only: %s", bad[i]);
	}
	call(r, with(url("/hello"), "method", cfw_value_str("GET / HTTP/1.1\r\nX: y")));
	is_int(refused.code, CURFEW_EINVAL, "a method that is none");
	call(r, with(url("/hello"), "method", cfw_value_str("")));
	is_str(refused.msg, "\"\" is no HTTP method", "an empty method");
	call(r, cfw_value_map());
	is_str(refused.msg, "url must begin with http:// or https://", "no URL");
	call(r, with(cfw_value_map(), "url", cfw_value_strn("http://127.0.0.1\0/", 18)));
	is_str(refused.msg, "url must begin with http:// or https://", "one with a NUL");
	struct cfw_value *list = rig_list("x", NULL), *lists = cfw_value_list(), *two = cfw_value_list();
	cfw_value_push(lists, rig_list("x", NULL));
	cfw_value_push(two, cfw_value_bool(true));
	cfw_value_push(two, cfw_value_str("x"));
	const struct {
		struct cfw_value *headers;
		const char *want;
	} rows[] = {
		{with(cfw_value_map(), "X", cfw_value_str("a\r\nY: b")), "headers: X must be"},
		{with(cfw_value_map(), "X:", cfw_value_str("a")), "headers: X: must be"},
		{with(cfw_value_map(), "X", cfw_value_bool(true)), "headers: X must be"},
		{with(cfw_value_map(), "X", cfw_value_strn("a\0b", 3)), "headers: X must be"},
		{with(with(cfw_value_map(), "X", two), "Y", cfw_value_str("a")), "headers: X must be"},
		{list, "headers:  must be"},
		{lists, "headers:  must be"},
	};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		call(r, with(url("/hello"), "headers", rows[i].headers));
		ok(refused.code == CURFEW_EINVAL && !strncmp(refused.msg, rows[i].want, strlen(rows[i].want)),
		   "headers that are none (%zu): %s", i, refused.msg);
	}
}

static void test_cancel(struct rig *r)
{
	size_t before = r->n_answers;
	int was = served;
	uint64_t token = begin(r, url("/never")), later = begin(r, url("/never"));
	rig_until(r, served > was + 1, 2000);
	fetch(r)->cancel(r->host, token);
	fetch(r)->cancel(r->host, later);
	fetch(r)->cancel(r->host, token);
	fetch(r)->cancel(r->host, 424242);
	rig_until(r, open_conns == 0, 2000);
	is_int(open_conns, 0, "cancel hangs up");
	rig_idle(r, 20);
	is_int((long long)r->n_answers, (long long)before, "and answers nothing");
}

static void test_many(struct rig *r)
{
	size_t before = r->n_answers, good = 0;
	for (int i = 0; i < 50; i++)
		begin(r, url("/hello"));
	rig_until(r, r->n_answers >= before + 50, 5000);
	for (size_t i = before; i < r->n_answers; i++)
		good += cfw_value_get_int(r->answers[i % RIG_ANSWERS].value, "status", 0) == 200;
	is_int((long long)good, 50, "50 at once");
}

/* Run with a libcurl that is none: this program again, as `fetch missing`. */
static int without_library(void)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	port = 1;
	call(r, url("/"));
	bool told = refused.code && !strncmp(refused.msg, "fetch needs libcurl.so.4 (Debian's package libcurl4): ", 54);
	fetch(r)->cancel(r->host, 1); /* there is nobody to cancel it */
	struct cfw_value *args = url("/");
	told = told && fetch(r)->begin(r->host, &r->env, 1, args, NULL) == CURFEW_ENOENT;
	cfw_value_free(args);
	rig_free(r);
	return told ? 0 : 1;
}

static void test_missing(const char *self)
{
	struct rig *r = rig_new(CFW_REAP_PIDFD);
	char path[160];
	snprintf(path, sizeof path, "%s/libcurl.so.4", r->dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755), status = -1;
	if (fd < 0 || write(fd, "no library", 10) != 10)
		tap_bail("cannot make %s", path);
	close(fd);
	pid_t pid = fork();
	if (pid == 0) {
		setenv("LD_LIBRARY_PATH", r->dir, 1);
		execl(self, self, "missing", (char *)NULL);
		_exit(127);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	is_int(WEXITSTATUS(status), 0, "without libcurl a fetch says which package has it; nothing else is lost");
	rig_free(r);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return without_library();
	test_missing(argv[0]);
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	for (int i = 0; i < 2; i++) { /* the second host finds libcurl open */
		struct rig *r = rig_new(CFW_REAP_PIDFD);
		serve(r);
		size_t fds = 0;
		test_replies(r);
		if (i == 0) {
			test_requests(r);
			test_redirects(r);
			test_failures(r);
			test_refusals(r);
		}
		fds = rig_fds();
		test_cancel(r);
		test_many(r);
		rig_until(r, open_conns == 0, 2000);
		is_int((long long)rig_fds(), (long long)fds, "no descriptor is left");
		begin(r, url("/never"));
		rig_until(r, open_conns == 1, 2000);
		serve_no_more(r);
		cfw_host_free(r->host); /* with a request in flight */
		r->host = NULL;
		rig_until(r, open_conns == 0, 2000);
		is_int(open_conns, 0, "the host's end hangs up");
		rig_free(r);
	}
	return tap_done();
}
