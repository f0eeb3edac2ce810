/* What a reload does to servers and hooks: staged ones come in, others retire (S7.2). */
#include <assert.h>

#include "core/machine.h"

static bool is_settled(const struct cfw_server *s)
{
	switch ((enum cfw_server_state)s->state) {
	case CFW_S_DOWN:
	case CFW_S_STARTED:
	case CFW_S_BACKOFF:
	case CFW_S_CLOSED:
	case CFW_S_FAILED:
		return !s->running;
	default:
		return false;
	}
}

bool cfw_core_settled(const struct cfw_core *core, cfw_id *who)
{
	*who = 0;
	if (core->stop.running || core->ended)
		return false;
	for (cfw_id id = 0; (id = cfw_slots_next(&core->servers, id)) != 0;) {
		const struct cfw_server *s = cfw_server_get(core, id);
		if (s->staged || s->retired || is_settled(s))
			continue;
		*who = id;
		return false;
	}
	return !core->start.running && !core->global_running;
}

int cfw_core_edges_reserve(struct cfw_core *core, size_t n)
{
	return cfw_graph_reserve(core, n);
}

void cfw_core_server_retire(struct cfw_core *core, cfw_id server, cfw_id heir, enum cfw_retire when)
{
	struct cfw_server *s = cfw_server_get(core, server);
	assert(s && !s->retired && !s->staged);
	cfw_names_take(core, s);
	s->retired = true;
	s->retire = (uint8_t)when;
	s->heir = heir;
	if (heir)
		cfw_server_get(core, heir)->ancestor = server;
}

void cfw_core_server_commit(struct cfw_core *core, cfw_id server)
{
	struct cfw_server *s = cfw_server_get(core, server);
	assert(s && s->staged);
	s->staged = false;
	s->fresh = true;
	s->since_ns = core->now_ns;
	cfw_names_put(core, s);
}

void cfw_core_server_options(struct cfw_core *core, cfw_id server, const struct cfw_server_opts *o)
{
	struct cfw_server *s = cfw_server_get(core, server);
	s->start_timeout_ns = o->start_timeout_ns;
	s->stop_timeout_ns = o->stop_timeout_ns;
	s->backoff_ns = o->backoff_ns;
	s->restart = (uint8_t)o->restart;
	s->restart_max = o->restart_max;
	s->expect_exit = o->expect_exit;
}

void cfw_core_server_forget_after(struct cfw_core *core, cfw_id server)
{
	cfw_graph_drop(core, cfw_server_get(core, server));
}

void cfw_core_server_link(struct cfw_core *core, cfw_id server, cfw_id on)
{
	cfw_graph_link(core, cfw_server_get(core, server), cfw_server_get(core, on));
}

void cfw_core_drop_hooks(struct cfw_core *core, cfw_id server)
{
	struct cfw_server *s = server ? cfw_server_get(core, server) : NULL;
	cfw_id *first = s ? s->hooks : core->global_hooks, *last = s ? s->last_hook : core->global_last;
	for (int phase = 0; phase < CFW_PHASES; phase++) {
		while (first[phase]) {
			struct cfw_hook *h = cfw_hook_get(core, first[phase]);
			assert(!h->running && !h->wait.queued);
			first[phase] = h->next;
			core->pre_owed -= !s && phase == CFW_PRE_STOP && !h->begun;
			cfw_hook_free(core, h);
		}
		last[phase] = 0;
	}
	if (!s) {
		core->global_cursor = 0;
		return;
	}
	core->pre_owed -= s->owed ? s->pre_hooks : 0;
	s->pre_hooks = s->pre_ended = 0;
	s->cursor = 0;
}

void cfw_core_hook_commit(struct cfw_core *core, cfw_id hook)
{
	struct cfw_hook *h = cfw_hook_get(core, hook);
	assert(h && h->staged);
	h->staged = false;
	cfw_hook_link(core, h);
}

void cfw_core_hook_discard(struct cfw_core *core, cfw_id hook)
{
	struct cfw_hook *h = cfw_hook_get(core, hook);
	if (h && h->staged)
		cfw_hook_free(core, h);
}

/* It stops, and what depends on it before: retired, all of them. */
static void leave(struct cfw_core *c, struct cfw_server *s)
{
	for (cfw_id id = cfw_graph_closure(c, s->id, CFW_WALK_DEPENDANTS); id; id = cfw_server_get(c, id)->mark_next) {
		struct cfw_server *d = cfw_server_get(c, id);
		d->leaving = d->retired;
		cfw_server_event(c, d, CFW_SE_STOP, NULL);
	}
}

void cfw_retire_check(struct cfw_core *c, struct cfw_server *s)
{
	const struct cfw_server *heir = s->heir ? cfw_server_get(c, s->heir) : NULL;
	if (s->leaving || c->stop.running) /* a stop tells all of them */
		return;
	if (s->retire != CFW_RETIRE_AFTER || !heir || heir->retired || is_settled(heir))
		leave(c, s);
}

void cfw_retire_swap(struct cfw_core *c)
{
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;) {
		struct cfw_server *s = cfw_server_get(c, id);
		bool start = s->fresh && c->life == CFW_L_STARTED && !c->stop.running;
		s->fresh = false;
		if (start)
			cfw_server_event(c, s, CFW_SE_WANT, NULL);
	}
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;)
		if (cfw_server_get(c, id)->retired)
			cfw_retire_check(c, cfw_server_get(c, id));
}
