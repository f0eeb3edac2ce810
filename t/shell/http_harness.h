/* http_harness.h: a server of the kind under test on a loop of its own, an env that stands in for the instance, and clients that
 * share the loop's thread: all one process, nothing sleeps, every wait has a deadline. Included once by each test. */
#ifndef T_HTTP_HARNESS_H
#define T_HTTP_HARNESS_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/err.h"
#include "base/exchange.h"
#include "base/kind.h"
#include "base/log.h"
#include "base/time.h"
#include "base/timers.h"
#include "base/value.h"
#include "tap.h"

#define UNUSED __attribute__((unused))

/* ---- the instance's stand-in ---- */

struct harness {
	struct event_base *base;
	const struct cfw_kind *kind;
	struct cfw_env env;
	struct cfw_timers timers;
	struct cfw_log log;
	void *srv;
	struct cfw_value *def;
	struct curfew_err err;
	int started, failed, stopped, closed;
	uint32_t attempt; /* of the last report */
	/* What the test makes of a conversation; NULL: refused. */
	int (*serve)(struct harness *h, int64_t ref, struct cfw_exchange *x);
	void (*left)(struct harness *h, struct cfw_exchange *x); /* it is gone; may be NULL */
	int served, gone;
	struct cfw_exchange *last; /* the conversation handed over last */
	uint64_t answered;         /* the last token answered */
	int answers, answer_code;
	char answer[(64 << 10) + 1];
	size_t answer_len;
	bool answer_nil, answer_true;
	int warnings;
	char logged[8192];
};

static uint64_t h_now(void *ud)
{
	(void)ud;
	return cfw_time_now();
}

static void h_report(void *ud, const struct cfw_report *r)
{
	struct harness *h = ud;
	h->attempt = r->attempt;
	h->started += r->what == CFW_REPORT_STARTED;
	h->failed += r->what == CFW_REPORT_START_FAILED;
	h->stopped += r->what == CFW_REPORT_STOPPED;
	h->closed += r->what == CFW_REPORT_CLOSED || r->what == CFW_REPORT_DIED;
	if (r->err)
		h->err = *r->err;
}

static int h_serve(void *ud, cfw_id server, int64_t ref, struct cfw_exchange *x)
{
	struct harness *h = ud;
	(void)server;
	h->served++;
	h->last = x;
	return h->serve ? h->serve(h, ref, x) : CURFEW_ESTATE;
}

static void h_gone(void *ud, struct cfw_exchange *x)
{
	struct harness *h = ud;
	h->gone++;
	if (h->left)
		h->left(h, x);
	if (h->last == x)
		h->last = NULL;
}

static void h_answer(void *ud, uint64_t token, struct cfw_value *value, const struct curfew_err *err)
{
	struct harness *h = ud;
	size_t n = 0;
	const char *s = cfw_value_bytes(value, &n);
	h->answered = token;
	h->answers++;
	h->answer_code = err ? err->code : 0;
	h->answer_nil = cfw_value_type(value) == CFW_V_NIL;
	h->answer_true = cfw_value_to_bool(value);
	h->answer_len = s && n < sizeof h->answer ? n : 0;
	if (s)
		memcpy(h->answer, s, h->answer_len);
	h->answer[h->answer_len < sizeof h->answer ? h->answer_len : 0] = 0;
	cfw_value_free(value);
}

static void h_log(void *ud, enum cfw_log_level level, const char *msg, const struct cfw_log_field *f, size_t n)
{
	struct harness *h = ud;
	size_t len = strlen(h->logged);
	h->warnings += level >= CFW_WARN;
	len += (size_t)snprintf(h->logged + len, sizeof h->logged - len, "%s", msg);
	for (size_t i = 0; i < n && len < sizeof h->logged; i++)
		len += (size_t)snprintf(h->logged + len, sizeof h->logged - len, " %s=%s", f[i].key, f[i].value);
	if (len < sizeof h->logged)
		snprintf(h->logged + len, sizeof h->logged - len, "\n");
}

UNUSED static struct harness *h_new(const struct cfw_kind *kind)
{
	struct harness *h = calloc(1, sizeof *h);
	signal(SIGPIPE, SIG_IGN); /* as the shell has it: S2.19 */
	h->base = event_base_new();
	h->kind = kind;
	cfw_timers_init(&h->timers);
	h->log = (struct cfw_log){.level = CFW_DEBUG, .emit = h_log, .ud = h};
	h->env = (struct cfw_env){.timers = &h->timers,
				  .log = &h->log,
				  .ud = h,
				  .now_ns = h_now,
				  .report = h_report,
				  .serve = h_serve,
				  .gone = h_gone,
				  .answer = h_answer};
	h->def = cfw_value_map();
	cfw_value_set(h->def, "name", cfw_value_str("web"));
	return h;
}

UNUSED static void h_listen(struct harness *h, const char *addr)
{
	struct cfw_value *list = cfw_value_copy(cfw_value_get(h->def, "listen"));
	if (!list)
		list = cfw_value_list();
	cfw_value_push(list, cfw_value_str(addr));
	cfw_value_set(h->def, "listen", list);
}

UNUSED static void h_route(struct harness *h, const char *key, int64_t ref)
{
	struct cfw_value *map = cfw_value_copy(cfw_value_get(h->def, "routes"));
	if (!map)
		map = cfw_value_map();
	cfw_value_set(map, key, cfw_value_ref(ref));
	cfw_value_set(h->def, "routes", map);
}

/* One turn of the loop, a millisecond at most. */
UNUSED static void h_turn(struct harness *h)
{
	struct timeval tv = {0, 1000};
	event_base_loopexit(h->base, &tv);
	event_base_loop(h->base, EVLOOP_ONCE);
}

/* Turn the loop until cond holds, five seconds at most. */
#define until(h, cond)                                                                                                         \
	do {                                                                                                                   \
		uint64_t until_end = cfw_time_now() + 5 * CFW_SEC;                                                             \
		while (!(cond) && cfw_time_now() < until_end)                                                                  \
			h_turn(h);                                                                                             \
	} while (0)

UNUSED static bool h_start(struct harness *h)
{
	if (!h->srv)
		h->srv = h->kind->open(h->base, &h->env, 1, h->def, &h->err);
	if (!h->srv)
		return false;
	int before = h->started;
	h->kind->start(h->srv, 1);
	until(h, h->started > before || h->failed);
	return h->started > before;
}

UNUSED static void h_stop(struct harness *h)
{
	struct cfw_stop stop = {.attempt = 2, .deadline_ns = cfw_time_now() + 10 * CFW_SEC};
	h->kind->stop(h->srv, &stop);
}

UNUSED static void h_free(struct harness *h)
{
	if (h->srv)
		h->kind->free(h->srv);
	cfw_value_free(h->def);
	cfw_timers_clear(&h->timers);
	event_base_free(h->base);
	free(h);
}

UNUSED static int64_t h_stat(struct harness *h, const char *key)
{
	struct cfw_value *v = h->kind->stats(h->srv);
	int64_t n = cfw_value_get_int(v, key, -1);
	if (n < 0)
		n = cfw_value_get_int(cfw_value_get(v, "replies"), key, -1);
	cfw_value_free(v);
	return n;
}

/* Descriptors of this process. */
UNUSED static int count_fds(void)
{
	int n = 0;
	DIR *d = opendir("/proc/self/fd");
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* ---- clients ---- */

struct client {
	int fd;
	size_t len;
	bool eof, reset;
	char buf[1 << 17];
};

/* Connect to "127.0.0.1:1", "[::1]:1" or "unix:/path"; does not wait for anybody to accept. -1 and errno. */
UNUSED static int dial(const char *addr)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	} u;
	socklen_t len;
	const char *colon = strrchr(addr, ':');
	memset(&u, 0, sizeof u);
	if (!strncmp(addr, "unix:", 5)) {
		u.un.sun_family = AF_UNIX;
		snprintf(u.un.sun_path, sizeof u.un.sun_path, "%s", addr + 5);
		len = sizeof u.un;
	} else if (*addr == '[') {
		u.in6.sin6_family = AF_INET6;
		u.in6.sin6_port = htons((uint16_t)atoi(colon + 1));
		u.in6.sin6_addr = in6addr_loopback;
		len = sizeof u.in6;
	} else {
		u.in.sin_family = AF_INET;
		u.in.sin_port = htons((uint16_t)atoi(colon + 1));
		u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		len = sizeof u.in;
	}
	int fd = socket(u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, &u.sa, len)) {
		int e = errno;
		close(fd);
		errno = e;
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

UNUSED static struct client *client_to(const char *addr)
{
	struct client *c = calloc(1, sizeof *c);
	c->fd = dial(addr);
	return c;
}

UNUSED static struct client *client_new(struct harness *h)
{
	return client_to(h->kind->address(h->srv));
}

UNUSED static void client_free(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}

UNUSED static void client_send(struct client *c, const char *text)
{
	size_t n = strlen(text);
	ssize_t w = send(c->fd, text, n, MSG_NOSIGNAL);
	if (w != (ssize_t)n)
		c->reset = true;
}

/* Take what has come; true while the connection stands. */
UNUSED static bool client_poll(struct client *c)
{
	while (!c->eof && !c->reset && c->len < sizeof c->buf - 1) {
		ssize_t n = recv(c->fd, c->buf + c->len, sizeof c->buf - 1 - c->len, MSG_DONTWAIT);
		if (n > 0)
			c->len += (size_t)n;
		else if (!n)
			c->eof = true;
		else if (errno != EAGAIN && errno != EINTR)
			c->reset = true;
		else
			break;
	}
	c->buf[c->len] = 0;
	return !c->eof && !c->reset;
}

UNUSED static bool has(struct client *c, const char *needle)
{
	client_poll(c);
	return strstr(c->buf, needle) != NULL;
}

UNUSED static void client_clear(struct client *c)
{
	c->len = 0;
	c->buf[0] = 0;
}

/* The whole reply has come: by its length, by its last chunk, or (neither given) by the end of the connection. head: the reply to
 * a HEAD request. */
UNUSED static bool whole(struct client *c, bool head)
{
	client_poll(c);
	char *body = strstr(c->buf, "\r\n\r\n");
	if (!body)
		return false;
	char *length = strcasestr(c->buf, "\r\nContent-Length:"),
	     *chunked = strcasestr(c->buf, "\r\nTransfer-Encoding: chunked");
	body += 4;
	if (head || !strncmp(c->buf + 9, "204", 3) || !strncmp(c->buf + 9, "304", 3))
		return true;
	if (length && length < body)
		return c->len - (size_t)(body - c->buf) >= (size_t)atoll(length + 17);
	if (chunked && chunked < body)
		return strstr(body, "0\r\n\r\n") != NULL;
	return c->eof;
}

UNUSED static const char *body_of(struct client *c)
{
	char *body = strstr(c->buf, "\r\n\r\n");
	return body ? body + 4 : "";
}

UNUSED static int status_of(struct client *c)
{
	return strncmp(c->buf, "HTTP/1.", 7) ? 0 : atoi(c->buf + 9);
}

/* Send one request, wait for its whole reply. */
UNUSED static int ask(struct harness *h, struct client *c, const char *text)
{
	client_clear(c);
	client_send(c, text);
	until(h, whole(c, !strncmp(text, "HEAD", 4)) || c->eof || c->reset);
	return status_of(c);
}

/* Text for the words of a test: one line of it. */
UNUSED static const char *shown(const char *text)
{
	static char buf[64];
	size_t n = 0;
	for (; *text && n < sizeof buf - 1; text++)
		buf[n++] = *text == '\r' || *text == '\n' ? '|' : *text;
	buf[n] = 0;
	return buf;
}

/* The same on a connection of its own. */
UNUSED static int ask_once(struct harness *h, struct client **out, const char *text)
{
	struct client *c = client_new(h);
	int status = ask(h, c, text);
	*out = c;
	return status;
}

#endif
