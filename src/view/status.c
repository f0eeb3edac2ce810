#include "view/status.h"

#include <string.h>

#include "base/buf.h"
#include "base/time.h"
#include "base/value.h"
#include "core/core.h"
#include "view/waits.h"
#include "view/words.h"

/* Milliseconds are enough for people, and short. */
static struct cfw_value *seconds(uint64_t ns)
{
	uint64_t ms = ns / CFW_MS;
	return cfw_value_num((double)ms / 1e3);
}

/* The value, or NULL when something of it could not be had. */
static struct cfw_value *sound(struct cfw_value *v, int bad)
{
	if (!bad)
		return v;
	cfw_value_free(v);
	return NULL;
}

struct asking {
	const struct cfw_core *core;
	uint64_t now_ns;
	cfw_view_info_fn *info;
	void *ud;
	struct cfw_value *list;
	int bad;
};

static struct cfw_value *server_value(const struct asking *a, cfw_id id)
{
	struct cfw_server_view s;
	if (cfw_core_server_view(a->core, id, &s))
		return NULL;
	struct cfw_value *v = cfw_value_map(), *more = a->info ? a->info(a->ud, id) : NULL;
	int bad = cfw_value_set(v, "name", cfw_value_str(s.name)) | cfw_value_set(v, "kind", cfw_value_str(s.kind)) |
		  cfw_value_set(v, "state", cfw_value_str(cfw_server_state_name(s.state))) |
		  cfw_value_set(v, "for", seconds(cfw_time_left(s.since_ns, a->now_ns))) |
		  cfw_value_set(v, "restarts", cfw_value_int(s.restarts));
	for (size_t i = 0; i < cfw_value_len(more); i++)
		if (!cfw_value_get(v, cfw_value_key(more, i)))
			bad |= cfw_value_set(v, cfw_value_key(more, i), cfw_value_copy(cfw_value_at(more, i)));
	cfw_value_free(more);
	struct cfw_value *after = cfw_value_list();
	for (size_t i = 0; cfw_core_server_on(a->core, id, i); i++)
		bad |= cfw_value_push(after, cfw_value_str(cfw_view_server_name(a->core, cfw_core_server_on(a->core, id, i))));
	bad |= cfw_value_set(v, "after", after);
	return sound(v, bad);
}

struct cfw_value *cfw_view_server(const struct cfw_core *core, cfw_id server, uint64_t now_ns, cfw_view_info_fn *info, void *ud)
{
	struct asking a = {.core = core, .now_ns = now_ns, .info = info, .ud = ud};
	return server_value(&a, server);
}

struct cfw_value *cfw_view_servers(const struct cfw_core *core, uint64_t now_ns, cfw_view_info_fn *info, void *ud)
{
	struct asking a = {.core = core, .now_ns = now_ns, .info = info, .ud = ud};
	struct cfw_value *list = cfw_value_list();
	int bad = 0;
	for (cfw_id id = 0; !bad && (id = cfw_core_server_next(core, id));)
		bad |= cfw_value_push(list, server_value(&a, id));
	return sound(list, bad);
}

static void add_wait(void *ud, const struct cfw_view_wait *w)
{
	struct asking *a = ud;
	struct cfw_value *v = cfw_value_map(), *info = w->server && a->info ? a->info(a->ud, w->server) : NULL;
	const struct cfw_value *pid = cfw_value_get(info, "pid");
	int bad = cfw_value_set(v, "phase", cfw_value_str(w->phase)) |
		  cfw_value_set(v, "for", seconds(cfw_time_left(w->since_ns, a->now_ns))) |
		  cfw_value_set(v, "then", cfw_value_str(w->then));
	if (w->server)
		bad |= cfw_value_set(v, "server", cfw_value_str(cfw_view_server_name(a->core, w->server)));
	if (w->name)
		bad |= cfw_value_set(v, "hook", cfw_value_str(w->name));
	if (w->where)
		bad |= cfw_value_set(v, "where", cfw_value_str(w->where));
	if (pid)
		bad |= cfw_value_set(v, "pid", cfw_value_copy(pid));
	if (w->until_ns != CFW_NEVER)
		bad |= cfw_value_set(v, "left", seconds(cfw_time_left(a->now_ns, w->until_ns)));
	cfw_value_free(info);
	if (bad) {
		cfw_value_free(v);
		v = NULL;
	}
	a->bad |= cfw_value_push(a->list, v);
}

static struct cfw_value *stop_value(const struct cfw_core *core, const struct cfw_stop_view *s, uint64_t now_ns)
{
	struct cfw_buf cause;
	cfw_buf_init(&cause);
	cfw_view_put_cause(core, &s->first, &cause);
	struct cfw_value *v = cfw_value_map();
	int bad = cfw_value_set(v, "mode", cfw_value_str(s->mode == CFW_ABORT ? "abort" : "graceful")) |
		  cfw_value_set(v, "trigger", cfw_value_str(cfw_trigger_name(s->first.kind, s->first.signo))) |
		  cfw_value_set(v, "cause", cfw_value_str(cause.data ? cause.data : "")) |
		  cfw_value_set(v, "code", cfw_value_int(s->code)) | cfw_value_set(v, "cut", cfw_value_bool(s->cut)) |
		  cfw_value_set(v, "exits", cfw_value_bool(!s->no_exit)) |
		  cfw_value_set(v, "hurried", cfw_value_bool(s->hurried)) |
		  cfw_value_set(v, "cancelling", cfw_value_bool(s->cancelling)) |
		  cfw_value_set(v, "for", seconds(cfw_time_left(s->began_ns, now_ns))) |
		  cfw_value_set(v, "margin", seconds(cfw_time_left(now_ns, s->margin_ns))) |
		  cfw_value_set(v, "left", seconds(cfw_time_left(now_ns, s->deadline_ns)));
	cfw_buf_clear(&cause);
	return sound(v, bad);
}

static struct cfw_value *held(const struct cfw_core *core)
{
	struct cfw_value *list = cfw_value_list();
	struct cfw_server_view s;
	int bad = 0;
	for (cfw_id id = 0; (id = cfw_core_server_next(core, id));)
		if (cfw_core_server_view(core, id, &s) == 0 && s.state == CFW_S_HELD)
			bad |= cfw_value_push(list, cfw_value_str(s.name));
	return sound(list, bad);
}

struct cfw_value *cfw_view_status(const struct cfw_core *core, uint64_t now_ns, cfw_view_info_fn *info, void *ud)
{
	struct asking a = {.core = core, .now_ns = now_ns, .info = info, .ud = ud, .list = cfw_value_list()};
	struct cfw_stop_view stop;
	cfw_core_stop_view(core, &stop);
	cfw_view_waits(core, add_wait, &a);
	struct cfw_value *v = cfw_value_map();
	int bad = a.bad | cfw_value_set(v, "state", cfw_value_str(cfw_life_name(cfw_core_life(core)))) |
		  cfw_value_set(v, "servers", cfw_view_servers(core, now_ns, info, ud));
	bad |= cfw_value_set(v, "waits", a.list);
	if (stop.running)
		bad |= cfw_value_set(v, "stop", stop_value(core, &stop, now_ns)) | cfw_value_set(v, "then", held(core));
	return sound(v, bad);
}
