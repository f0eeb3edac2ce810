/* control_conn.c: connections of the control API: HTTP/1.1 read and written, all of it bounded: how many, how large, how long. */
#define _GNU_SOURCE
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/value.h"
#include "shell/control_impl.h"
#include "view/json.h"

/* ---- answers ---- */

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {{200, "OK"},
		       {400, "Bad Request"},
		       {403, "Forbidden"},
		       {404, "Not Found"},
		       {405, "Method Not Allowed"},
		       {408, "Request Timeout"},
		       {409, "Conflict"},
		       {411, "Length Required"},
		       {413, "Content Too Large"},
		       {422, "Unprocessable Content"},
		       {431, "Request Header Fields Too Large"},
		       {503, "Service Unavailable"},
		       {504, "Gateway Timeout"},
		       {505, "HTTP Version Not Supported"}};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "?";
}

static void set_timer(struct cfw_control_conn *c, int seconds)
{
	struct timeval tv = {seconds, 0};
	if (seconds)
		event_add(&c->timer, &tv);
	else
		event_del(&c->timer);
}

void cfw_control_put_head(struct cfw_control_conn *c, int status, const char *type, const char *extra)
{
	evbuffer_add_printf(bufferevent_get_output(c->bev),
			    "HTTP/1.%d %d %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n%s%s\r\n", c->http11, status,
			    reason_of(status), type, extra, c->keep ? "" : "Connection: close\r\n");
}

/* The request has its answer: the next one may come. */
static void finish(struct cfw_control_conn *c)
{
	c->state = c->keep ? CFW_CONN_READING : CFW_CONN_CLOSING;
	set_timer(c, CFW_CONTROL_SECONDS);
	if (c->asked) {
		c->asked->conn = NULL;
		c->asked = NULL;
	}
	if (evbuffer_get_length(bufferevent_get_input(c->bev)))
		bufferevent_trigger(c->bev, EV_READ, BEV_OPT_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

static void answer(struct cfw_control_conn *c, int status, const char *type, const char *more, const char *text, size_t n)
{
	char extra[160];
	snprintf(extra, sizeof extra, "%sContent-Length: %zu\r\n", more, n);
	cfw_control_put_head(c, status, type, extra);
	if (!c->head)
		evbuffer_add(bufferevent_get_output(c->bev), text, n);
	finish(c);
}

void cfw_control_reply_text(struct cfw_control_conn *c, int status, const char *type, const char *text, size_t n)
{
	answer(c, status, type, "", text, n);
}

static void reply_with(struct cfw_control_conn *c, int status, const char *more, struct cfw_value *v)
{
	struct cfw_buf b;
	cfw_buf_init(&b);
	if (v)
		cfw_view_put_json(&b, v);
	cfw_buf_putc(&b, '\n');
	if (!v || b.failed) {
		static const char text[] = "{\"error\":{\"code\":\"memory\",\"message\":\"out of memory\"}}\n";
		answer(c, 503, "application/json", "", text, sizeof text - 1);
	} else {
		answer(c, status, "application/json", more, b.data, b.len);
	}
	cfw_buf_clear(&b);
	cfw_value_free(v);
}

void cfw_control_reply(struct cfw_control_conn *c, int status, struct cfw_value *v)
{
	reply_with(c, status, "", v);
}

static void reply_error_with(struct cfw_control_conn *c, int status, const char *more, const char *code, const char *message)
{
	struct cfw_value *v = cfw_value_map(), *e = cfw_value_map();
	int bad = cfw_value_set(e, "code", cfw_value_str(code)) | cfw_value_set(e, "message", cfw_value_str(message));
	bad |= cfw_value_set(v, "error", e);
	if (bad) {
		cfw_value_free(v);
		v = NULL;
	}
	reply_with(c, status, more, v);
}

void cfw_control_reply_error(struct cfw_control_conn *c, int status, const char *code, const char *fmt, ...)
{
	char message[1200], more[80] = "";
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	if (status == 405) /* the message is what is allowed */
		snprintf(more, sizeof more, "Allow: %.40s\r\n", message);
	reply_error_with(c, status, more, code, message);
}

/* What makes no sense is the last of its connection. */
static void reject(struct cfw_control_conn *c, int status, const char *code, const char *message)
{
	c->keep = false;
	cfw_control_reply_error(c, status, code, "%s", message);
}

/* ---- requests ---- */

struct head {
	char *method, *target;
	long length; /* of the body; -1: not said */
	bool chunked, sse, close, keep;
};

static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (*s <= ' ' || *s > '~' || strchr("()<>@,;:\\\"/[]?={}", *s))
			return false;
	return true;
}

static bool parse_length(const char *s, long *length)
{
	char *end;
	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	long n = strtol(s, &end, 10);
	if (errno == ERANGE)
		n = CFW_CONTROL_BODY + 1L; /* too large, whatever it is */
	if (*end || (*length >= 0 && *length != n))
		return false;
	*length = n;
	return true;
}

static bool parse_header(struct head *h, char *line)
{
	char *colon = strchr(line, ':');
	if (!colon)
		return false;
	*colon = '\0';
	char *value = colon + 1 + strspn(colon + 1, " \t"), *end = value + strlen(value);
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (!is_token(line))
		return false;
	if (!strcasecmp(line, "Content-Length"))
		return parse_length(value, &h->length);
	if (!strcasecmp(line, "Transfer-Encoding"))
		h->chunked = true;
	else if (!strcasecmp(line, "Accept"))
		h->sse = strcasestr(value, "text/event-stream") != NULL;
	else if (!strcasecmp(line, "Connection")) {
		h->close = strcasestr(value, "close") != NULL;
		h->keep = strcasestr(value, "keep-alive") != NULL;
	}
	return true;
}

/* "GET /v1/status HTTP/1.1": 0, or the status that says what is wrong. */
static int parse_line(struct cfw_control_conn *c, struct head *h, char *line)
{
	char *space = strchr(line, ' '), *last = strrchr(line, ' ');
	if (!space || last == space)
		return 400;
	*space = *last = '\0';
	h->method = line;
	h->target = space + 1;
	if (!is_token(h->method) || h->target[0] != '/' || strchr(h->target, ' '))
		return 400;
	if (strcmp(last + 1, "HTTP/1.1") != 0 && strcmp(last + 1, "HTTP/1.0") != 0)
		return strncmp(last + 1, "HTTP/", 5) ? 400 : 505;
	c->http11 = last[8] == '1';
	return 0;
}

/* text: a whole head without its empty line, to be cut up. */
static int parse_head(struct cfw_control_conn *c, struct head *h, char *text, size_t n)
{
	if (memchr(text, '\0', n))
		return 400;
	bool first = true;
	for (char *line = text, *next; line; line = next) {
		next = strstr(line, "\r\n");
		if (next) {
			*next = '\0';
			next += 2;
		}
		int status = first ? parse_line(c, h, line) : parse_header(h, line) ? 0 : 400;
		if (status)
			return status;
		first = false;
	}
	return 0;
}

static void dispatch(struct cfw_control_conn *c, struct head *h, const char *body, size_t n)
{
	struct cfw_control_request r = {.method = h->method, .sse = h->sse};
	char *mark = strchr(h->target, '?'), why[200];
	if (mark)
		*mark++ = '\0';
	TAILQ_INIT(&r.query);
	if (n && c->ctl->route == cfw_control_route && !(r.body = cfw_view_parse_json(body, n, why, sizeof why))) {
		cfw_control_reply_error(c, 400, "bad_request", "the body is %s", why);
		return;
	}
	r.path = h->target;
	if (r.body && cfw_value_type(r.body) != CFW_V_MAP)
		cfw_control_reply_error(c, 400, "bad_request", "the body must be an object");
	else if (mark && evhttp_parse_query_str(mark, &r.query))
		cfw_control_reply_error(c, 400, "bad_request", "the query cannot be read");
	else
		c->ctl->route(c, &r);
	evhttp_clear_headers(&r.query);
	cfw_value_free(r.body);
}

/* text: the head and, behind it, the body. */
static void take(struct cfw_control_conn *c, struct head *h, const char *body)
{
	c->keep = c->http11 ? !h->close : h->keep;
	c->head = !strcmp(h->method, "HEAD");
	set_timer(c, 0);
	c->state = CFW_CONN_WAITING;
	dispatch(c, h, body, h->length > 0 ? (size_t)h->length : 0);
}

/* One request from what has come; false when more must come first. */
static bool read_one(struct cfw_control_conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	struct head h = {.length = -1};
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	size_t have = evbuffer_get_length(in);
	c->http11 = true;
	c->head = false;
	if (c->forbidden) {
		reject(c, 403, "forbidden", "not for this user");
		return false;
	}
	if (end.pos > CFW_CONTROL_HEAD || (end.pos < 0 && have > CFW_CONTROL_HEAD)) {
		reject(c, 431, "too_large", "a head of more than 8 KB");
		return false;
	}
	if (end.pos < 0)
		return false;
	size_t n = (size_t)end.pos;
	char *text = malloc(have + 1);
	if (!text || evbuffer_copyout(in, text, have) < 0) {
		free(text);
		reject(c, 503, "memory", "out of memory");
		return false;
	}
	text[n] = text[have] = '\0';
	int status = parse_head(c, &h, text, n);
	bool more = false;
	if (status == 505)
		reject(c, 505, "bad_request", "HTTP/1.1 or HTTP/1.0");
	else if (status)
		reject(c, 400, "bad_request", "this is no HTTP request");
	else if (h.chunked)
		reject(c, 411, "bad_request", "a body needs a Content-Length");
	else if (h.length > CFW_CONTROL_BODY)
		reject(c, 413, "too_large", "a body of more than 4 KB");
	else if (have < n + 4 + (size_t)(h.length > 0 ? h.length : 0))
		more = false;
	else {
		evbuffer_drain(in, n + 4 + (size_t)(h.length > 0 ? h.length : 0));
		take(c, &h, text + n + 4);
		more = c->state == CFW_CONN_READING;
	}
	free(text);
	return more;
}

/* ---- connections ---- */

static void on_read(struct bufferevent *bev, void *ud)
{
	struct cfw_control_conn *c = ud;
	struct evbuffer *in = bufferevent_get_input(bev);
	if (c->state == CFW_CONN_READING && evbuffer_get_length(bufferevent_get_output(bev)) > CFW_CONTROL_STREAM)
		return; /* it asks and does not listen: on_write goes on */
	while (c->state == CFW_CONN_READING && evbuffer_get_length(in) && read_one(c))
		;
	if (c->state == CFW_CONN_CLOSING || c->state == CFW_CONN_STREAM)
		evbuffer_drain(in, evbuffer_get_length(in));
}

/* All is written. Who still sends is listened to for a moment: a socket that is closed with something unread takes the answer back. */
static void on_write(struct bufferevent *bev, void *ud)
{
	enum { LINGER = 1 };
	struct cfw_control_conn *c = ud;
	if (c->state == CFW_CONN_STREAM) {
		cfw_control_stream_pump(c);
	} else if (c->state == CFW_CONN_CLOSING) {
		shutdown(bufferevent_getfd(bev), SHUT_WR);
		set_timer(c, LINGER);
	} else if (c->state == CFW_CONN_READING) {
		on_read(bev, c);
	}
}

static bool hung_up(struct cfw_control_conn *c)
{
	struct pollfd p = {.fd = bufferevent_getfd(c->bev)};
	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR));
}

static void on_event(struct bufferevent *bev, short what, void *ud)
{
	struct cfw_control_conn *c = ud;
	bool eof = (what & BEV_EVENT_EOF) && (what & BEV_EVENT_READING);
	bool owes = c->state == CFW_CONN_WAITING || evbuffer_get_length(bufferevent_get_output(bev));
	if (!eof || c->state == CFW_CONN_STREAM || !owes || hung_up(c)) {
		cfw_control_conn_free(c);
		return;
	}
	c->keep = false; /* it has only ended its half */
	if (c->state == CFW_CONN_READING)
		c->state = CFW_CONN_CLOSING;
	bufferevent_disable(bev, EV_READ);
}

static void on_timer(evutil_socket_t fd, short what, void *ud)
{
	struct cfw_control_conn *c = ud;
	(void)fd;
	(void)what;
	if (c->state == CFW_CONN_READING && evbuffer_get_length(bufferevent_get_input(c->bev)))
		reject(c, 408, "timeout", "the request did not come in time");
	else
		cfw_control_conn_free(c);
}

/* Room for another: who has asked for nothing for the longest time goes. */
static bool make_room(struct cfw_control *ctl)
{
	struct cfw_control_conn *c;
	if (ctl->nconns < CFW_CONTROL_CONNS)
		return true;
	TAILQ_FOREACH(c, &ctl->conns, link)
	if (c->state == CFW_CONN_READING || c->state == CFW_CONN_CLOSING) {
		cfw_control_conn_free(c);
		return true;
	}
	return false;
}

void cfw_control_conn_new(struct cfw_control *ctl, int fd, bool welcome)
{
	static const struct timeval patience = {CFW_CONTROL_SECONDS, 0};
	static const char busy[] =
		"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
		"{\"error\":{\"code\":\"busy\",\"message\":\"too many connections\"}}\n";
	if (!make_room(ctl)) {
		ssize_t n = send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)n;
		close(fd);
		return;
	}
	struct cfw_control_conn *c = calloc(1, sizeof *c);
	if (c)
		c->bev = bufferevent_socket_new(ctl->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c || !c->bev) {
		free(c);
		close(fd);
		cfw_log_at(ctl->log, CFW_ERROR, "control: out of memory: a connection is dropped");
		return;
	}
	c->ctl = ctl;
	c->forbidden = !welcome;
	evtimer_assign(&c->timer, ctl->base, on_timer, c);
	bufferevent_setcb(c->bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, CFW_CONTROL_HEAD + CFW_CONTROL_BODY + 4);
	bufferevent_set_timeouts(c->bev, NULL, &patience);
	set_timer(c, CFW_CONTROL_SECONDS);
	TAILQ_INSERT_TAIL(&ctl->conns, c, link);
	ctl->nconns++;
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

void cfw_control_conn_free(struct cfw_control_conn *c)
{
	struct cfw_control *ctl = c->ctl;
	if (c->asked)
		c->asked->conn = NULL;
	if (c->state == CFW_CONN_STREAM)
		ctl->nstreams--;
	TAILQ_REMOVE(&ctl->conns, c, link);
	ctl->nconns--;
	event_del(&c->timer);
	bufferevent_free(c->bev);
	free(c);
}

void cfw_control_flush(struct cfw_control_conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	bufferevent_disable(c->bev, EV_WRITE);
	evbuffer_unfreeze(out, 1); /* a bufferevent's own, else */
	while (evbuffer_get_length(out) && evbuffer_write(out, bufferevent_getfd(c->bev)) > 0)
		;
}
