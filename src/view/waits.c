#include "view/waits.h"

#include <stddef.h>

#include "base/time.h"
#include "core/core.h"
#include "view/words.h"

/* What cuts it: the end of the process, the margin, or else a limit of its own. */
static const char *then_of(const struct cfw_stop_view *stop, uint64_t until_ns)
{
	if (until_ns == CFW_NEVER)
		return "nothing cuts it";
	if (stop->running && until_ns >= stop->deadline_ns)
		return "cut at the exit timeout, exit 255";
	if (stop->running && until_ns >= stop->margin_ns)
		return "cut at the margin, exit 255";
	return "cut at its own limit, a failure";
}

/* What a server does of its own, its hooks aside; NULL when it is not waited for. */
static const char *activity(enum cfw_server_state state)
{
	return state == CFW_S_STARTING ? "start" : state == CFW_S_STOPPING ? "stop" : state == CFW_S_CUTTING ? "cut" : NULL;
}

static uint64_t server_until(const struct cfw_core *core, const struct cfw_stop_view *stop, const struct cfw_server_view *v)
{
	struct cfw_server_opts opts;
	if (v->state != CFW_S_STOPPING)
		return stop->deadline_ns;
	if (cfw_core_server_opts(core, v->id, &opts))
		return stop->margin_ns;
	return cfw_time_min(stop->margin_ns, cfw_time_add(v->since_ns, opts.stop_timeout_ns));
}

void cfw_view_waits(const struct cfw_core *core, void (*fn)(void *ud, const struct cfw_view_wait *w), void *ud)
{
	struct cfw_stop_view stop;
	struct cfw_hook_view h;
	struct cfw_server_view s;
	cfw_core_stop_view(core, &stop);
	for (cfw_id id = 0; (id = cfw_core_hook_next(core, id));) {
		if (cfw_core_hook_view(core, id, &h) || !h.running)
			continue;
		struct cfw_view_wait w = {.server = h.server,
					  .hook = id,
					  .phase = cfw_view_phase_name((int)h.phase),
					  .name = h.name,
					  .where = h.where,
					  .since_ns = h.since_ns,
					  .until_ns = h.until_ns,
					  .then = then_of(&stop, h.until_ns)};
		fn(ud, &w);
	}
	for (cfw_id id = 0; (id = cfw_core_server_next(core, id));) {
		if (cfw_core_server_view(core, id, &s) || !activity(s.state))
			continue;
		struct cfw_view_wait w = {.server = id,
					  .phase = activity(s.state),
					  .since_ns = s.since_ns,
					  .until_ns = server_until(core, &stop, &s)};
		w.then = then_of(&stop, w.until_ns);
		fn(ud, &w);
	}
}
