/* digest.c: what can be read of a core, as one number: to tell whether anything has changed. */
#include "base/time.h"
#include "sim/drive.h"

static uint64_t mix(uint64_t h, uint64_t v)
{
	h ^= v;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 29;
}

static uint64_t mix_server(uint64_t h, const struct cfw_core *core, cfw_id id)
{
	struct cfw_server_view v;
	struct cfw_server_opts o;
	cfw_id on;
	if (cfw_core_server_view(core, id, &v) || cfw_core_server_opts(core, id, &o))
		return mix(h, 0);
	h = mix(mix(mix(mix(h, id), v.state), v.since_ns), v.restarts);
	h = mix(h, (uint64_t)v.started | (uint64_t)v.prestopped << 1 | (uint64_t)v.owed << 2 | (uint64_t)v.retired << 3);
	h = mix(mix(mix(h, o.start_timeout_ns), o.stop_timeout_ns), o.backoff_ns);
	h = mix(h, (uint64_t)o.restart | (uint64_t)o.expect_exit << 8 | (uint64_t)o.restart_max << 16);
	h = mix(h, cfw_core_server_find(core, v.name));
	for (size_t i = 0; (on = cfw_core_server_on(core, id, i)); i++)
		h = mix(h, on);
	return h;
}

static uint64_t mix_hook(uint64_t h, const struct cfw_core *core, cfw_id id)
{
	struct cfw_hook_view v;
	if (cfw_core_hook_view(core, id, &v))
		return mix(h, 0);
	h = mix(mix(mix(h, id), v.server), (uint64_t)v.phase | (uint64_t)v.running << 8);
	return mix(mix(mix(h, v.run), v.since_ns), v.running ? v.until_ns : 0);
}

uint64_t cfw_drive_digest(const struct cfw_core *core)
{
	struct cfw_stop_view stop;
	uint64_t h = 1;
	for (cfw_id id = 0; (id = cfw_core_server_next(core, id));)
		h = mix_server(h, core, id);
	for (cfw_id id = 0; (id = cfw_core_hook_next(core, id));)
		h = mix_hook(h, core, id);
	cfw_core_stop_view(core, &stop);
	h = mix(h,
		(uint64_t)stop.running | (uint64_t)stop.mode << 1 | (uint64_t)stop.cut << 8 | (uint64_t)stop.cancelling << 9);
	h = mix(mix(mix(h, (uint64_t)stop.code), stop.margin_ns), stop.deadline_ns);
	return mix(mix(h, cfw_core_life(core)), cfw_core_deadline(core));
}
