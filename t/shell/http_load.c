/* S9.2: a client that honours "Connection: close" sees no failed request, under load, at any moment of a stop. The clients are a
 * process of their own, so that they meet the stop as strangers do. */
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "http_harness.h"
#include "shell/http.h"

/* ---- the clients ---- */

enum state { CONNECTING, WAITING, THINKING, OVER };

struct load_conn {
	int fd;
	enum state state;
	uint64_t until;
	char buf[4096];
	size_t len;
};

struct load {
	struct sockaddr_storage sa;
	socklen_t len;
	int n;
	bool close_each;    /* one request a connection */
	uint64_t think_max; /* between a reply and the next request */
	uint64_t give_up;   /* on a connect that the kernel does not answer */
	int served, failed, refused;
};

static unsigned seed;

static unsigned rnd(unsigned below)
{
	seed = seed * 1103515245 + 12345;
	return below ? (seed >> 8) % below : 0;
}

static void reconnect(struct load *l, struct load_conn *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->len = 0;
	c->fd = socket(l->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->state = CONNECTING;
	c->until = cfw_time_now() + l->give_up;
	if (connect(c->fd, (struct sockaddr *)&l->sa, l->len) == 0) {
		c->state = THINKING;
		c->until = 0;
	} else if (errno != EINPROGRESS && errno != EAGAIN) {
		c->state = OVER;
		l->refused++;
	}
}

static void think(struct load *l, struct load_conn *c)
{
	c->state = THINKING;
	c->until = cfw_time_now() + (l->think_max ? rnd((unsigned)(l->think_max / 1000)) * 1000u : 0);
}

static void send_request(struct load *l, struct load_conn *c)
{
	static const char keep[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
			  once[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	const char *text = l->close_each ? once : keep;
	c->len = 0;
	c->state = WAITING;
	if (send(c->fd, text, strlen(text), MSG_NOSIGNAL) < 0) {
		l->failed++;
		reconnect(l, c);
	}
}

static void receive(struct load *l, struct load_conn *c)
{
	ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - 1 - c->len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		if (c->state == WAITING)
			l->failed++;
		reconnect(l, c); /* closed while idle: a client connects anew */
		return;
	}
	c->len += (size_t)n;
	c->buf[c->len] = 0;
	char *body = strstr(c->buf, "\r\n\r\n"), *length = strcasestr(c->buf, "Content-Length: ");
	if (!body || !length || strlen(body + 4) < (size_t)atoi(length + 16))
		return;
	if (strncmp(c->buf, "HTTP/1.1 200", 12))
		l->failed++;
	else
		l->served++;
	if (l->close_each || strstr(c->buf, "Connection: close"))
		reconnect(l, c);
	else
		think(l, c);
}

static void run_clients(struct load *l)
{
	struct load_conn *conns = calloc((size_t)l->n, sizeof *conns);
	struct pollfd *p = calloc((size_t)l->n, sizeof *p);
	uint64_t end = cfw_time_now() + 8 * CFW_SEC;
	int left = l->n;
	for (int i = 0; i < l->n; i++) {
		conns[i].fd = -1;
		reconnect(l, &conns[i]);
	}
	while (left && cfw_time_now() < end) {
		uint64_t now = cfw_time_now();
		left = 0;
		for (int i = 0; i < l->n; i++) {
			struct load_conn *c = &conns[i];
			if (c->state == THINKING && now >= c->until)
				send_request(l, c);
			if (c->state == CONNECTING && now >= c->until)
				c->state = OVER; /* nobody lets it in */
			left += c->state != OVER;
			p[i].fd = c->state == OVER ? -1 : c->fd;
			p[i].events = c->state == CONNECTING ? POLLOUT : POLLIN;
		}
		if (poll(p, (nfds_t)l->n, 1) <= 0)
			continue;
		for (int i = 0; i < l->n; i++) {
			struct load_conn *c = &conns[i];
			int e = 0;
			socklen_t n = sizeof e;
			if (c->state == OVER || !p[i].revents)
				continue;
			if (c->state != CONNECTING) {
				receive(l, c);
				continue;
			}
			getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &n);
			if (e) {
				c->state = OVER;
				l->refused++;
			} else {
				send_request(l, c);
			}
		}
	}
	free(conns);
	free(p);
}

/* In a process of its own; its counts come through the pipe. */
static pid_t fork_clients(struct load *l, int *out)
{
	int fd[2];
	if (pipe2(fd, O_CLOEXEC))
		tap_bail("pipe: %s", strerror(errno));
	pid_t pid = fork();
	if (pid == 0) {
		run_clients(l);
		int counts[3] = {l->served, l->failed, l->refused};
		ssize_t n = write(fd[1], counts, sizeof counts);
		_exit(n == sizeof counts ? 0 : 1);
	}
	close(fd[1]);
	*out = fd[0];
	return pid;
}

/* ---- the server ---- */

struct pending {
	struct cfw_exchange *x; /* NULL: it is gone */
	struct event *timer;
};

static void on_timer(evutil_socket_t fd, short what, void *ud)
{
	struct pending *p = ud;
	(void)fd, (void)what;
	if (p->x) {
		p->x->ops->reply(p->x, 200, NULL, "Hello\n", 6);
		p->x->ops->release(p->x);
	}
	event_free(p->timer);
	free(p);
}

static int serve_later(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	struct timeval tv = {0, (suseconds_t)ref};
	struct pending *p = calloc(1, sizeof *p);
	p->x = x;
	x->policy_ud = p;
	p->timer = event_new(h->base, -1, 0, on_timer, p);
	event_add(p->timer, &tv);
	return 0;
}

static int serve_now(struct harness *h, int64_t ref, struct cfw_exchange *x)
{
	(void)h, (void)ref;
	x->ops->reply(x, 200, NULL, "Hello\n", 6);
	x->ops->release(x);
	return 0;
}

static void left(struct harness *h, struct cfw_exchange *x)
{
	(void)h;
	((struct pending *)x->policy_ud)->x = NULL;
}

static void run_for(struct harness *h, uint64_t ns)
{
	uint64_t end = cfw_time_now() + ns;
	while (cfw_time_now() < end)
		h_turn(h);
}

struct outcome {
	int served, failed, refused, stops, gone, slow;
};

static void one_stop(const char *addr, struct load *l, uint64_t load_ns, int64_t request_us, uint64_t grace, struct outcome *o)
{
	struct harness *h = h_new(&cfw_http_kind);
	int out, counts[3] = {0};
	h->serve = request_us ? serve_later : serve_now;
	h->left = request_us ? left : NULL;
	h_listen(h, addr);
	h_route(h, "GET /", request_us);
	cfw_value_set(h->def, "idle_grace", cfw_value_int((int64_t)grace));
	h_start(h);
	int fd = dial(h->kind->address(h->srv));
	l->len = sizeof l->sa;
	getpeername(fd, (struct sockaddr *)&l->sa, &l->len);
	close(fd);
	pid_t pid = fork_clients(l, &out);
	run_for(h, load_ns);
	h->kind->lame(h->srv);
	run_for(h, rnd(20) * CFW_MS);
	uint64_t began = cfw_time_now();
	h_stop(h);
	until(h, h->stopped);
	o->slow += cfw_time_now() - began > grace + 2 * CFW_SEC;
	o->stops += h->stopped;
	o->gone += h->gone;
	if (read(out, counts, sizeof counts) != sizeof counts)
		counts[1]++;
	close(out);
	waitpid(pid, NULL, 0);
	o->served += counts[0];
	o->failed += counts[1];
	o->refused += counts[2];
	h_free(h);
}

static void test_keep_alive(const char *addr, int stops, uint64_t think_max)
{
	struct outcome o = {0};
	for (int i = 0; i < stops; i++) {
		struct load l = {.n = 64, .think_max = think_max, .give_up = 150 * CFW_MS};
		one_stop(addr, &l, (50 + rnd(50)) * CFW_MS, 20000, 100 * CFW_MS, &o);
	}
	is_int(o.failed, 0, "S9.2: %s, 64 kept connections, 20 ms requests, up to %d ms between: no failed request in %d stops",
	       addr, (int)(think_max / CFW_MS), stops);
	ok(o.served > stops * 64, "under load (%d requests served, %d connects refused)", o.served, o.refused);
	is_int(o.stops, stops, "every stop ended");
	is_int(o.slow, 0, "none was slow");
	is_int(o.gone, 0, "no handler lost its client");
}

static void test_connects(const char *addr, int stops)
{
	struct outcome o = {0};
	for (int i = 0; i < stops; i++) {
		struct load l = {.n = 32, .close_each = true, .give_up = 40 * CFW_MS};
		one_stop(addr, &l, (2 + rnd(4)) * CFW_MS, 0, 20 * CFW_MS, &o);
	}
	is_int(o.failed, 0, "S9.1: %s, a new connection a request: none that was let in is lost in %d stops", addr, stops);
	ok(o.served > stops * 10, "under load (%d requests served)", o.served);
	is_int(o.stops, stops, "every stop ended");
}

int main(void)
{
	char dir[] = "/tmp/curfew-load-XXXXXX", addr[64];
	seed = (unsigned)getpid();
	tap_diag("seed %u", seed);
	test_keep_alive("127.0.0.1:0", 20, 0);
	test_keep_alive("127.0.0.1:0", 5, 80 * CFW_MS);
	test_connects("127.0.0.1:0", 100);
	if (mkdtemp(dir)) {
		snprintf(addr, sizeof addr, "unix:%s/sock", dir);
		test_keep_alive(addr, 5, 0);
		test_connects(addr, 50);
		rmdir(dir);
	}
	return tap_done();
}
