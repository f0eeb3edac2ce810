/* From evhttp to policy: is the request sound, whose is it, what is in it. */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/value.h"
#include "shell/http_server.h"

enum { MAX_FIELDS = 256, NAME_MAX_LEN = 256 };
/* Of others, HEAD among them, evhttp reads no body: what follows the head may be one. */
#define WITH_BODY                                                                                                              \
	(EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH)

static const struct {
	enum evhttp_cmd_type ev;
	enum cfw_method bit;
	const char *name;
} methods[] = {
	{EVHTTP_REQ_GET, CFW_M_GET, "GET"},          {EVHTTP_REQ_HEAD, CFW_M_HEAD, "HEAD"},
	{EVHTTP_REQ_POST, CFW_M_POST, "POST"},       {EVHTTP_REQ_PUT, CFW_M_PUT, "PUT"},
	{EVHTTP_REQ_DELETE, CFW_M_DELETE, "DELETE"}, {EVHTTP_REQ_OPTIONS, CFW_M_OPTIONS, "OPTIONS"},
	{EVHTTP_REQ_PATCH, CFW_M_PATCH, "PATCH"},    {EVHTTP_REQ_TRACE, CFW_M_TRACE, "TRACE"},
};

static int find_method(enum evhttp_cmd_type ev)
{
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (methods[i].ev == ev)
			return (int)i;
	return -1;
}

const char *cfw_http_method_name(struct evhttp_request *ev)
{
	int i = find_method(evhttp_request_get_command(ev));
	return i < 0 ? "?" : methods[i].name;
}

/* ---- life ---- */

static void on_complete(struct evhttp_request *ev, void *req)
{
	struct cfw_http_request *r = req;
	struct cfw_http_conn *c = r->conn;
	(void)ev;
	if (r->out)
		evbuffer_remove_cb_entry(bufferevent_get_output(c->bev), r->out);
	r->out = NULL;
	cfw_http_flushed(r, NULL);
	r->ev = NULL;
	r->conn = NULL;
	c->last = r->close;
	cfw_http_conn_rest(c); /* evhttp closes it next, or reads on */
	if (!r->held)
		cfw_http_request_free(r);
}

static struct cfw_http_request *new_request(struct cfw_http_conn *c, struct evhttp_request *ev)
{
	struct cfw_http_request *r = calloc(1, sizeof *r);
	if (!r)
		return NULL;
	r->x.kind = CFW_X_HTTP;
	r->x.ops = &cfw_http_ops;
	r->srv = c->srv;
	r->conn = c;
	r->ev = ev;
	r->promised = -1;
	c->req = r;
	LIST_INSERT_HEAD(&c->srv->requests, r, link);
	evhttp_request_set_on_complete_cb(ev, on_complete, r);
	return r;
}

void cfw_http_request_free(struct cfw_http_request *r)
{
	if (r->srv)
		LIST_REMOVE(r, link);
	cfw_value_free(r->value);
	free(r);
}

void cfw_http_request_lost(struct cfw_http_request *r)
{
	struct cfw_http *s = r->srv;
	struct evhttp_request *ev = r->ev;
	struct curfew_err err = {0};
	if (r->out)
		evbuffer_remove_cb_entry(bufferevent_get_output(r->conn->bev), r->out);
	r->out = NULL;
	r->ev = NULL;
	r->conn = NULL;
	/* Where the client left, evhttp has let go of an unanswered request, which is ours then; else it frees it itself. */
	if (ev && !evhttp_request_get_connection(ev))
		evhttp_request_free(ev);
	cfw_err_set(&err, CURFEW_ECANCELED, "the client is gone");
	cfw_http_flushed(r, &err);
	if (r->ended || r->cut) {
		if (!r->held)
			cfw_http_request_free(r);
		return;
	}
	s->stats.gone++;
	if (r->held)
		s->env->gone(s->env->ud, &r->x);
	cfw_http_request_free(r);
}

/* ---- is it sound? ---- */

static bool is_token(const char *name)
{
	static const char marks[] = "!#$%&'*+-.^_`|~";
	if (!*name || strlen(name) >= NAME_MAX_LEN)
		return false;
	for (; *name; name++) {
		unsigned char c = (unsigned char)*name, l = c | 0x20;
		if (!(c >= '0' && c <= '9') && !(l >= 'a' && l <= 'z') && !strchr(marks, c))
			return false;
	}
	return true;
}

/* Is word one of the elements of a comma-separated list? */
static bool lists(const char *list, const char *word)
{
	size_t n = strlen(word);
	while (list && *list) {
		list += strspn(list, ", \t");
		size_t len = strcspn(list, ", \t;");
		if (len == n && !strncasecmp(list, word, n))
			return true;
		list += strcspn(list, ",");
	}
	return false;
}

/* evhttp would take "+4", too. */
static bool is_length(const char *value)
{
	return *value && value[strspn(value, "0123456789")] == 0;
}

/* The status of the refusal, or 0. What two servers in a row could understand differently is refused, and the connection closed. */
static int check_headers(struct cfw_http_request *r)
{
	const struct evkeyvalq *in = evhttp_request_get_input_headers(r->ev);
	const struct evkeyval *h;
	const char *length = NULL;
	int fields = 0, hosts = 0;
	bool close = false, keep = false, chunked = false;
	TAILQ_FOREACH(h, in, next)
	{
		if (++fields > MAX_FIELDS)
			return 431;
		if (!is_token(h->key))
			return 400;
		if (!strcasecmp(h->key, "content-length")) {
			if (!is_length(h->value) || (length && strcmp(length, h->value)))
				return 400;
			length = h->value;
		} else if (!strcasecmp(h->key, "transfer-encoding")) {
			if (strcasecmp(h->value, "chunked"))
				return 501;
			chunked = true;
		} else if (!strcasecmp(h->key, "host")) {
			hosts++;
		} else if (!strcasecmp(h->key, "connection")) {
			close = close || lists(h->value, "close");
			keep = keep || lists(h->value, "keep-alive");
		}
	}
	if ((chunked && length) || hosts > 1 || (r->ev->minor > 0 && !hosts))
		return 400;
	bool body = chunked || (length && strcmp(length, "0") != 0);
	r->close = close || (body && !(evhttp_request_get_command(r->ev) & WITH_BODY)) || (r->ev->minor < 1 && !keep);
	return 0;
}

/* ---- what policy sees of it ---- */

static int put_headers(struct cfw_value *map, const struct evkeyvalq *in)
{
	const struct evkeyval *h;
	char name[NAME_MAX_LEN];
	TAILQ_FOREACH(h, in, next)
	{
		size_t n = strlen(h->key);
		for (size_t i = 0; i <= n; i++)
			name[i] = (char)(h->key[i] >= 'A' && h->key[i] <= 'Z' ? h->key[i] | 0x20 : h->key[i]);
		const char *before = cfw_value_get_str(map, name, NULL);
		struct cfw_value *v = NULL;
		if (before) {
			const char *glue = strcmp(name, "cookie") ? ", " : "; ";
			size_t a = strlen(before), b = strlen(h->value);
			char *joined = malloc(a + b + 3);
			if (joined) {
				memcpy(joined, before, a);
				memcpy(joined + a, glue, 2);
				memcpy(joined + a + 2, h->value, b + 1);
				v = cfw_value_strn(joined, a + b + 2);
			}
			free(joined);
		} else {
			v = cfw_value_str(h->value);
		}
		if (cfw_value_set(map, name, v))
			return CURFEW_ENOMEM;
	}
	return 0;
}

static int put_body(struct cfw_value *map, struct evbuffer *body)
{
	size_t n = evbuffer_get_length(body);
	const unsigned char *bytes = n ? evbuffer_pullup(body, -1) : NULL;
	if (n && !bytes)
		return CURFEW_ENOMEM;
	int rc = cfw_value_set(map, "body", cfw_value_strn((const char *)bytes, n));
	evbuffer_drain(body, n);
	return rc;
}

static int describe(struct cfw_http_request *r, int method, const struct cfw_path *path, struct cfw_route_match *m)
{
	char peer[CFW_PEER_TEXT];
	const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(r->ev));
	struct cfw_value *map = cfw_value_map(), *headers = cfw_value_map();
	int rc = headers ? put_headers(headers, evhttp_request_get_input_headers(r->ev)) : CURFEW_ENOMEM;
	r->value = map;
	rc |= cfw_value_set(map, "method", cfw_value_str(methods[method].name));
	rc |= cfw_value_set(map, "path", cfw_value_strn(path->text, path->len));
	rc |= cfw_value_set(map, "target", cfw_value_str(evhttp_request_get_uri(r->ev)));
	if (query)
		rc |= cfw_value_set(map, "query", cfw_value_str(query));
	rc |= cfw_value_set(map, "version", cfw_value_str(r->ev->minor < 1 ? "1.0" : "1.1"));
	rc |= cfw_value_set(map, "headers", headers);
	rc |= put_body(map, evhttp_request_get_input_buffer(r->ev));
	cfw_listen_peer(evhttp_connection_get_addr(evhttp_request_get_connection(r->ev)), peer, sizeof peer);
	rc |= cfw_value_set(map, "peer", cfw_value_str(peer));
	if (m->key)
		rc |= cfw_value_set(map, "route", cfw_value_str(m->key));
	struct cfw_value *params = m->params ? m->params : cfw_value_map();
	m->params = NULL;
	rc |= cfw_value_set(map, "params", params);
	r->x.request = map;
	return rc;
}

/* ---- whose is it? ---- */

/* 0 when policy has taken it; else the status to answer with, and what to allow. r may be gone when this returns 0. */
static int hand_over(struct cfw_http_request *r, unsigned *allow)
{
	struct cfw_http *s = r->srv;
	struct cfw_path path;
	struct cfw_route_match m;
	int method = find_method(evhttp_request_get_command(r->ev));
	if (method < 0)
		return 501;
	const char *raw = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(r->ev));
	int rc = cfw_path_parse(raw && *raw ? raw : "/", &path);
	if (rc)
		return rc == CURFEW_EINVAL ? 400 : 503;
	rc = cfw_routes_find(s->routes, methods[method].bit, &path, &m);
	if (!rc && !m.key && !s->has_handler) {
		cfw_path_clear(&path);
		*allow = m.allow;
		return m.allow ? 405 : 404;
	}
	rc = rc ? rc : describe(r, method, &path, &m);
	cfw_value_free(m.params);
	cfw_path_clear(&path);
	if (rc)
		return 503;
	r->held = true;
	rc = s->env->serve(s->env->ud, s->id, m.key ? m.ref : s->handler, &r->x);
	if (!rc)
		return 0;
	r->held = false;
	return s->lame ? 503 : 500;
}

/* evhttp takes any 0.x and 1.x, even 1.-1, and answers in the same words, 0.x without a length: for us those are 1.0, and what is newer
 * than 1.1 is 1.1. */
static void settle_version(struct evhttp_request *ev)
{
	if (ev->major < 1 || ev->minor < 0)
		ev->minor = 0;
	else if (ev->minor > 1)
		ev->minor = 1;
	ev->major = 1;
}

void cfw_http_serve(struct evhttp_request *ev, void *srv)
{
	struct cfw_http *s = srv;
	char buf[80];
	unsigned allow = 0;
	settle_version(ev);
	struct cfw_http_conn *c = cfw_http_conn_of(s, evhttp_request_get_connection(ev));
	if (c && c->refused) { /* CONNECT: evhttp said that it closes, and reads on */
		cfw_http_conn_close(c);
		return;
	}
	struct cfw_http_request *r = c ? new_request(c, ev) : NULL;
	if (!r) {
		evhttp_send_error(ev, 503, "Service Unavailable");
		return;
	}
	/* evhttp takes a request for "http://host/…" as a proxy's, closes behind it and does not say so. Every host is ours. */
	ev->flags &= ~EVHTTP_PROXY_REQUEST;
	s->stats.requests++;
	cfw_http_conn_move(c, CFW_HTTP_BUSY);
	r->bodyless = evhttp_request_get_command(ev) == EVHTTP_REQ_HEAD;
	int status = s->phase == CFW_HTTP_FLUSHING ? 503 : check_headers(r);
	if (status)
		r->close = true;
	else
		status = hand_over(r, &allow);
	if (status)
		cfw_http_reply_plain(r, status, allow ? cfw_routes_allow(allow, buf, sizeof buf) : NULL);
}
