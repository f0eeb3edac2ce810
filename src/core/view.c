/* Reading the machine. */
#include "base/err.h"
#include "core/machine.h"

int cfw_core_server_view(const struct cfw_core *core, cfw_id server, struct cfw_server_view *out)
{
	const struct cfw_server *s = cfw_server_get(core, server);
	if (!s)
		return CURFEW_ENOENT;
	*out = (struct cfw_server_view){.id = s->id,
					.name = s->name,
					.kind = s->kind,
					.state = (enum cfw_server_state)s->state,
					.since_ns = s->since_ns,
					.restarts = s->restarts,
					.started = s->was_started,
					.owed = s->owed,
					.retired = s->retired,
					.prestopped = s->was_started && s->pre_ended == s->pre_hooks};
	return 0;
}

int cfw_core_hook_view(const struct cfw_core *core, cfw_id hook, struct cfw_hook_view *out)
{
	const struct cfw_hook *h = cfw_hook_get(core, hook);
	if (!h)
		return CURFEW_ENOENT;
	*out = (struct cfw_hook_view){.id = h->id,
				      .server = h->server,
				      .phase = (enum cfw_phase)h->phase,
				      .name = h->name,
				      .where = h->where,
				      .ref = h->ref,
				      .run = h->run,
				      .running = h->running,
				      .since_ns = h->since_ns,
				      .until_ns =
					      h->running ? cfw_time_min(h->until_ns, cfw_hook_bound(core, h)) : h->until_ns};
	return 0;
}

void cfw_core_stop_view(const struct cfw_core *core, struct cfw_stop_view *out)
{
	const struct cfw_stop_run *st = &core->stop;
	*out = (struct cfw_stop_view){.running = st->running,
				      .mode = st->mode,
				      .first = st->first,
				      .code = core->code,
				      .began_ns = st->running ? st->began_ns : CFW_NEVER,
				      .margin_ns = st->running ? st->margin_ns : CFW_NEVER,
				      .deadline_ns = st->running ? st->deadline_ns : CFW_NEVER,
				      .cut = st->cut,
				      .no_exit = st->no_exit,
				      .hurried = st->hurried,
				      .cancelling = st->cancelling,
				      .seq = core->journal.stop_seq};
}

int cfw_core_server_opts(const struct cfw_core *core, cfw_id server, struct cfw_server_opts *out)
{
	const struct cfw_server *s = cfw_server_get(core, server);
	if (!s)
		return CURFEW_ENOENT;
	*out = (struct cfw_server_opts){.name = s->name,
					.kind = s->kind,
					.start_timeout_ns = s->start_timeout_ns,
					.stop_timeout_ns = s->stop_timeout_ns,
					.restart = s->restart,
					.restart_max = s->restart_max,
					.backoff_ns = s->backoff_ns,
					.expect_exit = s->expect_exit};
	return 0;
}

cfw_id cfw_core_server_on(const struct cfw_core *core, cfw_id server, size_t i)
{
	const struct cfw_server *s = cfw_server_get(core, server);
	uint32_t e = s ? s->deps : 0;
	while (e && i--)
		e = core->edges[e - 1].next_dep;
	return e ? core->edges[e - 1].to : 0;
}

int cfw_core_hook_opts(const struct cfw_core *core, cfw_id hook, struct cfw_hook_opts *out)
{
	const struct cfw_hook *h = cfw_hook_get(core, hook);
	if (!h)
		return CURFEW_ENOENT;
	*out = (struct cfw_hook_opts){.server = h->server,
				      .phase = (enum cfw_phase)h->phase,
				      .name = h->name,
				      .where = h->where,
				      .timeout_ns = h->timeout_ns,
				      .ref = h->ref};
	return 0;
}
