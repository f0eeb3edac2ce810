#include "shell/health.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/value.h"
#include "shell/accept.h"
#include "shell/listen.h"

enum { MAX_HEADERS = 8 << 10, MAX_BODY = 1 << 10, TIMEOUT = 60 /* s */ };

struct cfw_health {
	struct evhttp *http;
	struct cfw_accept accept;
	struct cfw_value *listen;
	struct cfw_listen_addr *addrs;
	struct cfw_listener *listeners; /* n */
	int n;
	char *address;
	bool (*ready)(void *ud, char *why, size_t n);
	void *ud;
};

static void answer(struct evhttp_request *req, int status, const char *reason, const char *text)
{
	char line[256], length[16];
	int n = snprintf(line, sizeof line, "%s\n", text);
	size_t len = n < (int)sizeof line ? (size_t)n : sizeof line - 1;
	struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
	snprintf(length, sizeof length, "%zu", len);
	evhttp_add_header(headers, "Content-Type", "text/plain; charset=utf-8");
	evhttp_add_header(headers, "Content-Length", length);
	evhttp_add_header(headers, "Cache-Control", "no-store");
	if (evhttp_request_get_command(req) != EVHTTP_REQ_HEAD)
		evbuffer_add(evhttp_request_get_output_buffer(req), line, len);
	evhttp_send_reply(req, status, reason, NULL);
}

static void on_request(struct evhttp_request *req, void *health)
{
	const struct cfw_health *h = health;
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(req));
	enum evhttp_cmd_type method = evhttp_request_get_command(req);
	bool readiness = path && !strcmp(path, "/readyz");
	char why[200] = "not ready";
	if (!readiness && (!path || strcmp(path, "/healthz") != 0)) {
		answer(req, 404, "Not Found", "there are /healthz and /readyz");
	} else if (method != EVHTTP_REQ_GET && method != EVHTTP_REQ_HEAD) {
		evhttp_add_header(evhttp_request_get_output_headers(req), "Allow", "GET, HEAD");
		answer(req, 405, "Method Not Allowed", "GET or HEAD");
	} else if (readiness && !h->ready(h->ud, why, sizeof why)) {
		answer(req, 503, "Service Unavailable", why);
	} else {
		answer(req, 200, "OK", "ok");
	}
}

static int listen_on(struct cfw_health *h, int i, struct curfew_err *err)
{
	int rc = cfw_listen_open("health", &h->addrs[i], &h->listeners[i], err);
	if (rc)
		return rc;
	struct evhttp_bound_socket *bound = evhttp_accept_socket_with_handle(h->http, h->listeners[i].fd);
	if (!bound)
		return cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
	cfw_accept_watch(&h->accept, i, evhttp_bound_socket_get_listener(bound));
	return 0;
}

static int open_all(struct cfw_health *h, struct event_base *base, struct curfew_err *err)
{
	h->n = cfw_listen_parse("health", h->listen, &h->addrs, err);
	if (h->n < 0)
		return h->n;
	h->http = evhttp_new(base);
	h->listeners = calloc((size_t)h->n, sizeof *h->listeners);
	if (!h->http || !h->listeners || cfw_accept_init(&h->accept, base, h->n))
		return cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
	for (int i = 0; i < h->n; i++)
		h->listeners[i].fd = -1;
	evhttp_set_gencb(h->http, on_request, h);
	evhttp_set_allowed_methods(h->http, (ev_uint16_t)~EVHTTP_REQ_CONNECT);
	evhttp_set_max_headers_size(h->http, MAX_HEADERS);
	evhttp_set_max_body_size(h->http, MAX_BODY);
	evhttp_set_timeout(h->http, TIMEOUT);
	for (int i = 0; i < h->n; i++) {
		int rc = listen_on(h, i, err);
		if (rc)
			return rc;
	}
	h->address = cfw_listen_text(h->listeners, h->n);
	return h->address ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
}

struct cfw_health *cfw_health_open(struct event_base *base, const struct cfw_value *listen, const struct cfw_log *log,
				   bool (*ready)(void *ud, char *why, size_t n), void *ud, struct curfew_err *err)
{
	struct cfw_health *h = calloc(1, sizeof *h);
	if (!h) {
		cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
		return NULL;
	}
	h->ready = ready;
	h->ud = ud;
	h->accept.name = "health";
	h->accept.log = log;
	h->listen = cfw_value_copy(listen);
	if (open_all(h, base, err)) {
		cfw_health_close(h);
		return NULL;
	}
	return h;
}

void cfw_health_close(struct cfw_health *h)
{
	if (!h)
		return;
	for (int i = 0; h->listeners && i < h->n; i++) {
		if (h->accept.on && h->accept.on[i])
			h->listeners[i].fd = -1; /* evhttp's now */
		cfw_listen_close(&h->listeners[i]);
	}
	cfw_accept_clear(&h->accept);
	if (h->http)
		evhttp_free(h->http);
	cfw_listen_addrs_free(h->addrs, h->n < 0 ? 0 : h->n);
	cfw_value_free(h->listen);
	free(h->listeners);
	free(h->address);
	free(h);
}

bool cfw_health_listens_on(const struct cfw_health *h, const struct cfw_value *listen)
{
	return h && cfw_value_equal(h->listen, listen);
}

const char *cfw_health_address(const struct cfw_health *h)
{
	return h->address;
}
