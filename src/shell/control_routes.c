/* control_routes.c: paths of the control API, and what can be read there. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "base/value.h"
#include "core/core.h"
#include "instance.h"
#include "shell/control_impl.h"
#include "version.h"
#include "view/status.h"
#include "view/view.h"

static struct cfw_value *info_with_stats(void *ud, cfw_id server)
{
	return curfew_server_info(ud, server, true);
}

static uint64_t now(const struct cfw_control_conn *c)
{
	const struct cfw_env *env = curfew_env(*c->ctl->curfew);
	return env->now_ns(env->ud);
}

static void get_version(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	struct cfw_value *v = cfw_value_map();
	(void)r;
	int bad = cfw_value_set(v, "version", cfw_value_str(CURFEW_VERSION)) | cfw_value_set(v, "api", cfw_value_int(1)) |
		  cfw_value_set(v, "pid", cfw_value_int(getpid()));
	if (bad) {
		cfw_value_free(v);
		v = NULL;
	}
	cfw_control_reply(c, 200, v);
}

static void get_status(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	struct cfw_value *v = curfew_status_value(*c->ctl->curfew);
	(void)r;
	if (v && cfw_value_set(v, "seq", cfw_value_int((int64_t)c->ctl->seen))) {
		cfw_value_free(v);
		v = NULL;
	}
	cfw_control_reply(c, 200, v);
}

static void get_servers(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	struct curfew *curfew = *c->ctl->curfew;
	struct cfw_value *v = cfw_value_map();
	(void)r;
	if (cfw_value_set(v, "servers", cfw_view_servers(curfew_core(curfew), now(c), info_with_stats, curfew))) {
		cfw_value_free(v);
		v = NULL;
	}
	cfw_control_reply(c, 200, v);
}

static void get_server(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	struct curfew *curfew = *c->ctl->curfew;
	cfw_id id = cfw_core_server_find(curfew_core(curfew), r->arg);
	if (!id)
		cfw_control_reply_error(c, 404, "not_found", "there is no server \"%.200s\"", r->arg);
	else
		cfw_control_reply(c, 200, cfw_view_server(curfew_core(curfew), id, now(c), info_with_stats, curfew));
}

/* ---- the timeline, in any of its forms ---- */

static void timeline_text(struct curfew *curfew, const struct cfw_control_request *r, struct cfw_buf *out)
{
	enum { NARROW = 20, WIDE = 1000, LINES = 10000 };
	int64_t width = cfw_control_number(r, "width", 100);
	int columns = width < NARROW ? NARROW : width > WIDE ? WIDE : (int)width;
	cfw_view_timeline(curfew_core(curfew), columns, LINES, cfw_control_flag(r, "color"), cfw_control_flag(r, "ascii"), out);
}

static void timeline_json(struct curfew *curfew, const struct cfw_control_request *r, struct cfw_buf *out)
{
	(void)r;
	cfw_view_timeline_json(curfew_core(curfew), out);
}

static void timeline_trace(struct curfew *curfew, const struct cfw_control_request *r, struct cfw_buf *out)
{
	(void)r;
	cfw_view_timeline_trace(curfew_core(curfew), out);
}

static void timeline_svg(struct curfew *curfew, const struct cfw_control_request *r, struct cfw_buf *out)
{
	(void)r;
	cfw_view_timeline_svg(curfew_core(curfew), out);
}

static const struct form {
	const char *name, *type;
	void (*put)(struct curfew *curfew, const struct cfw_control_request *r, struct cfw_buf *out);
} forms[] = {
	{"text", "text/plain; charset=utf-8", timeline_text},
	{"json", "application/json", timeline_json},
	{"svg", "image/svg+xml", timeline_svg},
	{"trace", "application/json", timeline_trace},
};

static void get_timeline(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	struct cfw_buf b;
	struct cfw_stop_view stop;
	const char *name = cfw_control_param(r, "format");
	const struct form *f = NULL;
	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
		if (!strcmp(forms[i].name, name ? name : "text"))
			f = &forms[i];
	cfw_core_stop_view(curfew_core(*c->ctl->curfew), &stop);
	if (!f) {
		cfw_control_reply_error(c, 400, "bad_request", "there is no format \"%.60s\"", name);
		return;
	}
	if (!stop.seq) {
		cfw_control_reply_error(c, 404, "not_found", "there was no stop");
		return;
	}
	cfw_buf_init(&b);
	f->put(*c->ctl->curfew, r, &b);
	if (b.failed)
		cfw_control_reply(c, 503, NULL);
	else
		cfw_control_reply_text(c, 200, f->type, b.data ? b.data : "", b.len);
	cfw_buf_clear(&b);
}

void cfw_control_get_metrics(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	struct cfw_buf b;
	(void)r;
	cfw_buf_init(&b);
	if (c->ctl->metrics)
		c->ctl->metrics(c->ctl->metrics_ud, &b);
	if (b.failed)
		cfw_control_reply(c, 503, NULL);
	else
		cfw_control_reply_text(c, 200, CFW_METRICS_TYPE, b.data ? b.data : "", b.len);
	cfw_buf_clear(&b);
}

/* ---- paths ---- */

static const struct route {
	const char *method, *path; /* one * stands for a name */
	cfw_control_fn *fn;
	enum curfew_steer_what steer;
	const char *params;
} routes[] = {
	{"GET", "/v1/version", get_version, 0, ""},
	{"GET", "/v1/status", get_status, 0, ""},
	{"GET", "/v1/servers", get_servers, 0, ""},
	{"GET", "/v1/servers/*", get_server, 0, ""},
	{"GET", "/v1/timeline", get_timeline, 0, "format width color ascii"},
	{"GET", "/v1/events", cfw_control_events, 0, "since"},
	{"GET", "/v1/metrics", cfw_control_get_metrics, 0, ""},
	{"POST", "/v1/stop", cfw_control_stop, 0, "wait code"},
	{"POST", "/v1/abort", cfw_control_abort, 0, "wait code"},
	{"POST", "/v1/reload", cfw_control_reload, 0, ""},
	{"POST", "/v1/trigger/*", cfw_control_trigger, 0, "wait code"},
	{"POST", "/v1/hurry", cfw_control_steer, CURFEW_HURRY, ""},
	{"POST", "/v1/extend", cfw_control_extend, CURFEW_EXTEND, "by"},
	{"POST", "/v1/skip/*", cfw_control_steer, CURFEW_SKIP, ""},
	{"POST", "/v1/cancel", cfw_control_steer, CURFEW_CANCEL, ""},
	{"POST", "/v1/servers/*/start", cfw_control_steer, CURFEW_SERVER_START, ""},
	{"POST", "/v1/servers/*/stop", cfw_control_steer, CURFEW_SERVER_STOP, ""},
	{"POST", "/v1/servers/*/restart", cfw_control_steer, CURFEW_SERVER_RESTART, ""},
};

/* Does path fit? *arg is where the name begins, and *n its bytes. */
static bool fits(const char *pattern, const char *path, const char **arg, size_t *n)
{
	const char *star = strchr(pattern, '*');
	*arg = NULL;
	if (!star)
		return !strcmp(pattern, path);
	size_t before = (size_t)(star - pattern);
	if (strncmp(pattern, path, before) != 0)
		return false;
	*arg = path + before;
	*n = strcspn(*arg, "/");
	return *n && !strcmp(*arg + *n, star + 1);
}

static bool takes(const char *method, const char *asked)
{
	return !strcmp(method, asked) || (!strcmp(method, "GET") && !strcmp(asked, "HEAD"));
}

/* Is each % of it two hexadecimal digits, and none of them a NUL? A name has no NUL, and would end there. */
static bool is_encoded(const char *s, size_t n)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	for (const char *at = s; (at = memchr(at, '%', n - (size_t)(at - s))); at += 3)
		if (n - (size_t)(at - s) < 3 || !memchr(hex, at[1], sizeof hex - 1) || !memchr(hex, at[2], sizeof hex - 1) ||
		    (at[1] == '0' && at[2] == '0'))
			return false;
	return true;
}

static char *decode(const char *s, size_t n)
{
	char *copy = strndup(s, n), *plain = copy ? evhttp_uridecode(copy, 0, NULL) : NULL;
	free(copy);
	return plain;
}

void cfw_control_route(struct cfw_control_conn *c, struct cfw_control_request *r)
{
	const char *arg = NULL, *allow = NULL;
	size_t n = 0;
	for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
		if (!fits(routes[i].path, r->path, &arg, &n))
			continue;
		if (!takes(routes[i].method, r->method)) {
			allow = routes[i].method;
			continue;
		}
		if (c->head && routes[i].fn == cfw_control_events) {
			allow = "GET"; /* it would have no length and no end */
			break;
		}
		if (!cfw_control_check_params(c, r, routes[i].params))
			return;
		if (arg && !is_encoded(arg, n)) {
			cfw_control_reply_error(c, 400, "bad_request", "the name %.*s is not percent-encoded",
						(int)(n < 200 ? n : 200), arg);
			return;
		}
		if (arg && !(r->arg = decode(arg, n))) {
			cfw_control_reply(c, 503, NULL);
			return;
		}
		r->steer = routes[i].steer;
		routes[i].fn(c, r);
		free(r->arg);
		return;
	}
	if (allow)
		cfw_control_reply_error(c, 405, "method_not_allowed", "%s",
					!strcmp(allow, "GET") && !c->head ? "GET, HEAD" : allow);
	else
		cfw_control_reply_error(c, 404, "not_found", "there is no %.200s; curfew-control(7) has the paths", r->path);
}
