/* curfew_served.c: servers of the program's own, and requests that it brackets: the kind "host". */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "adapters/bar.h"
#include "base/err.h"
#include "base/log.h"
#include "base/text.h"
#include "base/value.h"
#include "curfew_embed.h"

enum asked { NOTHING, START, STOP };

struct served {
	struct cfw_embed *e;
	const struct cfw_env *env;
	cfw_id id;
	struct curfew_server_ops ops;
	void *ud;
	enum asked asked;  /* what is not answered yet */
	uint32_t attempt;  /* that it came with */
	bool up, finished; /* finished: STOP has the program's own answer, and waits for requests */
	size_t requests;   /* under way */
	uint64_t begun, failed;
};

static void report(struct served *s, enum cfw_report_what what, int code, const struct curfew_err *err)
{
	struct cfw_report r = {.what = what, .server = s->id, .attempt = s->attempt, .exit_code = code, .err = err};
	s->asked = NOTHING;
	s->up = what == CFW_REPORT_STARTED;
	s->env->report(s->env->ud, &r);
}

static void look_at_end(struct served *s)
{
	if (s->asked == STOP && s->finished && !s->requests)
		report(s, CFW_REPORT_STOPPED, -1, NULL);
}

/* ---- the kind ---- */

static void *open_served(void *ud, const struct cfw_env *env, cfw_id id, const struct cfw_value *def, struct curfew_err *err)
{
	struct cfw_embed *e = ud;
	(void)def;
	struct served *s = e->opening ? calloc(1, sizeof *s) : NULL;
	if (!s) {
		cfw_err_set(err, e->opening ? CURFEW_ENOMEM : CURFEW_EINVAL,
			    "a server of this kind is made by curfew_server_new");
		return NULL;
	}
	*s = (struct served){.e = e, .env = env, .id = id, .ud = e->opening->ud};
	if (e->opening->ops)
		cfw_take_struct(&s->ops, sizeof s->ops, e->opening->ops, sizeof s->ops.size);
	return s;
}

static void start_served(void *srv, uint32_t attempt)
{
	struct served *s = srv;
	s->asked = START;
	s->attempt = attempt;
	if (s->ops.start)
		s->ops.start(s->ud, s->id);
	else
		report(s, CFW_REPORT_STARTED, -1, NULL);
}

static void stop_served(void *srv, const struct cfw_stop *stop)
{
	struct served *s = srv;
	s->asked = STOP;
	s->attempt = stop->attempt;
	s->finished = !s->ops.stop;
	if (s->ops.stop)
		s->ops.stop(s->ud, s->id, stop->deadline_ns);
	look_at_end(s);
}

static void cut_served(void *srv, uint32_t attempt)
{
	struct served *s = srv;
	s->asked = NOTHING; /* what the program says from within is no answer */
	if (s->ops.abort)
		s->ops.abort(s->ud, s->id);
	s->attempt = attempt;
	if (s->requests)
		cfw_log_at(s->env->log, CFW_WARN, "%s: %zu requests are cut off",
			   cfw_value_get_str(cfw_entry_get(s->e->c, s->id)->def, "name", "?"), s->requests);
	report(s, CFW_REPORT_STOPPED, -1, NULL);
}

static void lame_served(void *srv)
{
	const struct served *s = srv;
	if (s->ops.lame)
		s->ops.lame(s->ud, s->id, true);
}

static void unlame_served(void *srv)
{
	const struct served *s = srv;
	if (s->ops.lame)
		s->ops.lame(s->ud, s->id, false);
}

static struct cfw_value *stats_of(void *srv)
{
	const struct served *s = srv;
	struct cfw_value *v = cfw_value_map();
	size_t more = s->ops.in_flight ? s->ops.in_flight(s->ud, s->id) : 0;
	if (!(cfw_value_set(v, "in_flight", cfw_value_int((int64_t)(s->requests + more))) |
	      cfw_value_set(v, "requests", cfw_value_int((int64_t)s->begun)) |
	      cfw_value_set(v, "failed", cfw_value_int((int64_t)s->failed))))
		return v;
	cfw_value_free(v);
	return NULL;
}

/* The instance is freed, or the process ends, while it runs. */
static void free_served(void *srv)
{
	struct served *s = srv;
	if ((s->up || s->asked != NOTHING) && s->ops.abort)
		s->ops.abort(s->ud, s->id);
	free(s);
}

const struct cfw_kind cfw_host_kind = {
	.size = sizeof cfw_host_kind,
	.name = "host",
	.open = open_served,
	.free = free_served,
	.start = start_served,
	.stop = stop_served,
	.cut = cut_served,
	.lame = lame_served,
	.unlame = unlame_served,
	.stats = stats_of,
};

/* ---- for the program ---- */

static struct cfw_value *names_of(const char *const *names)
{
	struct cfw_value *list = cfw_value_list();
	for (; *names; names++)
		if (cfw_value_push(list, cfw_value_str(*names))) {
			cfw_value_free(list);
			return NULL;
		}
	return list;
}

static bool is_limit(uint64_t ns)
{
	return ns && ns != CURFEW_NEVER;
}

static bool is_slip(uint64_t ns)
{
	return is_limit(ns) && ns > CFW_LONGEST;
}

static struct cfw_value *definition(const struct curfew_server_options *o)
{
	struct cfw_value *v = cfw_value_map();
	int bad = cfw_value_set(v, "name", cfw_value_str(o->name)) | cfw_value_set(v, "kind", cfw_value_str("host"));
	if (o->after)
		bad |= cfw_value_set(v, "after", names_of(o->after));
	if (is_limit(o->start_timeout_ns))
		bad |= cfw_value_set(v, "start_timeout", cfw_value_int((int64_t)o->start_timeout_ns));
	if (is_limit(o->stop_timeout_ns))
		bad |= cfw_value_set(v, "stop_timeout", cfw_value_int((int64_t)o->stop_timeout_ns));
	if (!bad)
		return v;
	cfw_value_free(v);
	return NULL;
}

curfew_id curfew_server_new(struct curfew *c, const struct curfew_server_options *options, struct curfew_err *err)
{
	struct curfew_server_options o;
	if (!cfw_take_struct(&o, sizeof o, options, offsetof(struct curfew_server_options, ops)) || !o.name || !*o.name) {
		cfw_err_set(err, CURFEW_EINVAL, "curfew_server_new: options.size is wrong, or options.name is missing");
		return 0;
	}
	if (!cfw_is_name(o.name)) {
		cfw_err_set(err, CURFEW_EINVAL, "curfew_server_new: options.name has control characters");
		return 0;
	}
	if (is_slip(o.start_timeout_ns) || is_slip(o.stop_timeout_ns)) {
		cfw_err_set(err, CURFEW_EINVAL,
			    "curfew_server_new: options.%s is more than thirty years: CURFEW_NEVER is no limit",
			    is_slip(o.start_timeout_ns) ? "start_timeout_ns" : "stop_timeout_ns");
		return 0;
	}
	struct cfw_value *def = definition(&o);
	if (!def) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return 0;
	}
	c->embed->opening = &o;
	cfw_id id = curfew_server_add(c, def, err);
	c->embed->opening = NULL;
	cfw_value_free(def);
	return id;
}

static struct served *find(const struct curfew *c, cfw_id id)
{
	const struct cfw_entry *s = cfw_entry_get(c, id);
	return s && s->kind == &cfw_host_kind ? s->srv : NULL;
}

void curfew_server_started(struct curfew *c, curfew_id server)
{
	struct served *s = find(c, server);
	if (s && s->asked == START)
		report(s, CFW_REPORT_STARTED, -1, NULL);
}

void curfew_server_failed(struct curfew *c, curfew_id server, const char *why)
{
	struct served *s = find(c, server);
	struct curfew_err err = {0};
	if (!s || s->asked != START)
		return;
	cfw_err_set(&err, CURFEW_ESTATE, "%s", why && *why ? why : "it did not start");
	report(s, CFW_REPORT_START_FAILED, -1, &err);
}

void curfew_server_stopped(struct curfew *c, curfew_id server)
{
	struct served *s = find(c, server);
	if (!s || s->asked != STOP)
		return;
	s->finished = true;
	look_at_end(s);
}

void curfew_server_closed(struct curfew *c, curfew_id server, int code)
{
	struct served *s = find(c, server);
	if (!s || (s->asked == NOTHING && !s->up))
		return;
	if (s->asked == START)
		curfew_server_failed(c, server, "it ended as it started");
	else
		report(s,
		       s->asked == NOTHING ? CFW_REPORT_CLOSED
		       : code > 0          ? CFW_REPORT_DIED
					   : CFW_REPORT_STOPPED,
		       code, NULL);
}

curfew_id curfew_request_begin(struct curfew *c, curfew_id server)
{
	struct served *s = find(c, server);
	void *item;
	cfw_id id = s ? cfw_slots_new(&c->embed->requests, &item) : 0;
	if (!id)
		return 0;
	memcpy(item, &server, sizeof server);
	s->requests++;
	s->begun++;
	return id;
}

static struct served *end(struct curfew *c, cfw_id request)
{
	cfw_id server;
	const void *item = cfw_slots_get(&c->embed->requests, request);
	if (!item)
		return NULL;
	memcpy(&server, item, sizeof server);
	cfw_slots_del(&c->embed->requests, request);
	struct served *s = find(c, server);
	if (s) {
		s->requests--;
		look_at_end(s);
	}
	return s;
}

void curfew_request_end(struct curfew *c, curfew_id request)
{
	end(c, request);
}

void curfew_request_failed(struct curfew *c, curfew_id request, const char *why)
{
	struct served *s = end(c, request);
	if (!s)
		return;
	s->failed++;
	cfw_log_with(c->opt.log, CFW_ERROR, "request failed", "server",
		     cfw_value_get_str(cfw_entry_get(c, s->id)->def, "name", "?"), "error", why ? why : "?", NULL);
}

int curfew_bar_listener(int fd, struct curfew_err *err)
{
	return cfw_bar(fd) ? cfw_err_sys(err, "curfew_bar_listener: %d", fd) : 0;
}
