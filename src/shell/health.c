#include "shell/health.h"

#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/value.h"
#include "shell/accept.h"
#include "shell/control_impl.h"
#include "shell/listen.h"

struct cfw_health {
	struct cfw_control *ctl; /* its connections are the control API's, with other paths */
	struct event_base *base;
	struct cfw_accept accept;
	struct cfw_value *listen;
	struct cfw_listen_addr *addrs;
	struct cfw_listener *listeners; /* n */
	struct evconnlistener **ev;     /* n */
	int n;
	char *address;
	const struct cfw_health_ops *ops;
	void *ud;
};

static void reply(struct cfw_control_conn *c, int status, const char *text)
{
	char line[256];
	int n = snprintf(line, sizeof line, "%s\n", text);
	cfw_control_reply_text(c, status, "text/plain; charset=utf-8", line,
			       n < (int)sizeof line ? (size_t)n : sizeof line - 1);
}

static void get_ready(struct cfw_control_conn *c, const struct cfw_health *h)
{
	char why[200] = "not ready";
	bool ready = h->ops->ready(h->ud, why, sizeof why);
	reply(c, ready ? 200 : 503, ready ? "ok" : why);
	if (!ready && h->ops->told)
		h->ops->told(h->ud);
}

static void route(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	const struct cfw_health *h = c->ctl->route_ud;
	bool known = !strcmp(r->path, "/healthz") || !strcmp(r->path, "/readyz") || !strcmp(r->path, "/metrics");
	if (!known)
		reply(c, 404, "there are /healthz, /readyz and /metrics");
	else if (strcmp(r->method, "GET") != 0 && !c->head)
		cfw_control_reply_error(c, 405, "method_not_allowed", "GET, HEAD");
	else if (r->path[1] == 'm')
		cfw_control_get_metrics(c, r);
	else if (r->path[1] == 'r')
		get_ready(c, h);
	else
		reply(c, 200, "ok");
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *ud)
{
	const struct cfw_health *h = ud;
	(void)l;
	(void)sa;
	(void)len;
	cfw_control_conn_new(h->ctl, fd, true);
}

static int listen_on(struct cfw_health *h, int i, struct curfew_err *err)
{
	int rc = cfw_listen_open("health", &h->addrs[i], &h->listeners[i], err);
	if (rc)
		return rc;
	h->ev[i] =
		evconnlistener_new(h->base, on_accept, h, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, h->listeners[i].fd);
	if (!h->ev[i])
		return cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
	cfw_accept_watch(&h->accept, i, h->ev[i]);
	return 0;
}

static int open_all(struct cfw_health *h, struct curfew_err *err)
{
	h->n = cfw_listen_parse("health", h->listen, &h->addrs, err);
	if (h->n < 0)
		return h->n;
	h->ctl = cfw_control_new(h->base, h->accept.log, NULL);
	h->listeners = calloc((size_t)h->n, sizeof *h->listeners);
	h->ev = calloc((size_t)h->n, sizeof *h->ev);
	if (!h->ctl || !h->listeners || !h->ev || cfw_accept_init(&h->accept, h->base, h->n))
		return cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
	h->ctl->route = route;
	h->ctl->route_ud = h;
	cfw_control_metrics(h->ctl, h->ops->metrics, h->ud);
	for (int i = 0; i < h->n; i++)
		h->listeners[i].fd = -1;
	for (int i = 0; i < h->n; i++) {
		int rc = listen_on(h, i, err);
		if (rc)
			return rc;
	}
	h->address = cfw_listen_text(h->listeners, h->n);
	return h->address ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
}

struct cfw_health *cfw_health_open(struct event_base *base, const struct cfw_value *listen, const struct cfw_log *log,
				   const struct cfw_health_ops *ops, void *ud, struct curfew_err *err)
{
	struct cfw_health *h = calloc(1, sizeof *h);
	if (!h) {
		cfw_err_set(err, CURFEW_ENOMEM, "health: out of memory");
		return NULL;
	}
	h->base = base;
	h->ops = ops;
	h->ud = ud;
	h->accept.name = "health";
	h->accept.log = log;
	h->listen = cfw_value_copy(listen);
	if (open_all(h, err)) {
		cfw_health_close(h);
		return NULL;
	}
	return h;
}

void cfw_health_close(struct cfw_health *h)
{
	if (!h)
		return;
	for (struct cfw_control_conn *c = h->ctl ? TAILQ_FIRST(&h->ctl->conns) : NULL; c; c = TAILQ_NEXT(c, link))
		cfw_control_flush(c);
	cfw_control_free(h->ctl);
	cfw_accept_clear(&h->accept);
	for (int i = 0; h->listeners && i < h->n; i++) {
		if (h->ev && h->ev[i]) {
			evconnlistener_free(h->ev[i]);
			h->listeners[i].fd = -1; /* it was its own */
		}
		cfw_listen_close(&h->listeners[i]);
	}
	cfw_listen_addrs_free(h->addrs, h->n < 0 ? 0 : h->n);
	cfw_value_free(h->listen);
	free(h->listeners);
	free(h->ev);
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
