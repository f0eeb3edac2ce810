/* remake.c: a reload as the core sees it (S7): a new policy is staged beside the one in force, and comes to nothing, or takes its place
 * between two events. Each step is checked against what core.h promises of it. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "sim/drive.h"

/* How long a swap waits for servers that are on their way up or down: as curfew_reload.c has it. */
#define SETTLE (10 * CFW_SEC)

static const struct cfw_schedule_build nothing_new = {0};

/* ---- what the new one has ---- */

static void plan(struct cfw_drive *d)
{
	const struct cfw_schedule_build *b = d->build;
	struct cfw_drive_set *next = &d->next;
	next->n = next->nhooks = 0;
	for (size_t i = 0; i < d->now.n; i++) {
		struct cfw_drive_member who = d->now.of[i];
		bool it = b->server && who.model == b->server - 1;
		if (it && b->what == CFW_M_REMOVED)
			continue;
		who.fresh = it && (b->what == CFW_M_REPLACED || b->what == CFW_M_OVERLAPPED);
		who.updated = it && b->what == CFW_M_UPDATED;
		if (who.fresh)
			who.id = 0;
		next->of[next->n++] = who;
	}
	if (b->server && b->what == CFW_M_ADDED)
		next->of[next->n++] = (struct cfw_drive_member){.model = b->server - 1, .copy = d->builds, .fresh = true};
}

static void give_up(struct cfw_drive *d)
{
	uint64_t before;
	for (size_t i = 0; i < d->next.nhooks; i++) {
		cfw_drive_hook(d, d->m->staged_hooks[i])->id = 0;
		cfw_core_hook_discard(d->core, d->m->staged_hooks[i]);
	}
	before = cfw_drive_digest(d->core);
	for (size_t i = 0; i < d->next.n; i++) {
		struct cfw_drive_member *who = &d->next.of[i];
		if (!who->fresh || !who->id)
			continue;
		cfw_drive_server(d, who->id)->id = 0;
		if (cfw_core_server_remove(d->core, who->id, NULL))
			cfw_drive_find(d, CFW_FINDING_HOST,
				       "S7.1: a server of a policy that came to nothing cannot be given up");
	}
	if (cfw_drive_digest(d->core) != before)
		cfw_drive_find(d, CFW_FINDING_HOST, "S7.1: a policy that came to nothing has changed the one in force");
	d->build = NULL;
	d->next.n = d->next.nhooks = 0;
}

/* Servers and hooks, unseen by anybody; false when memory is gone. */
static bool stage(struct cfw_drive *d)
{
	for (size_t i = 0; i < d->next.n; i++) {
		struct cfw_drive_member *who = &d->next.of[i];
		if (who->fresh && !(who->id = cfw_drive_add_server(d, who, true)))
			return false;
	}
	for (size_t h = 0; h < d->m->nhooks; h++) {
		size_t of = d->m->hooks[h].server;
		for (size_t i = 0; i < (of ? d->next.n : 1); i++) {
			if (of && d->next.of[i].model != of - 1)
				continue;
			cfw_id id = cfw_drive_add_hook(d, h, of ? d->next.of[i].id : 0, true);
			if (!id)
				return false;
			d->m->staged_hooks[d->next.nhooks++] = id;
		}
	}
	return true;
}

static void begin(struct cfw_drive *d)
{
	const struct cfw_schedule *s = d->s;
	d->build = d->builds < s->nbuilds ? &s->builds[d->builds] : &nothing_new;
	d->builds++;
	d->once_more = false;
	plan(d);
	uint64_t before = cfw_drive_digest(d->core);
	bool staged = stage(d);
	if (cfw_drive_digest(d->core) != before)
		cfw_drive_find(d, CFW_FINDING_HOST, "S7.1: a policy that is being built has changed the one in force");
	d->built_ns = cfw_time_add(d->now_ns, d->build->takes_ns);
	if (!staged)
		give_up(d);
}

void cfw_drive_reload(struct cfw_drive *d)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(d->core, &stop);
	if (stop.running)
		cfw_drive_find(d, CFW_FINDING_HOST, "S7.4: a reload is asked for during a stop");
	d->once_more = d->s->nbuilds && !stop.running;
}

/* ---- the swap ---- */

static size_t count_edges(const struct cfw_drive *d, bool link)
{
	const struct cfw_drive_set *next = &d->next;
	size_t n = 0;
	for (size_t i = 0; i < next->n; i++) {
		const struct cfw_model_server *m = &d->m->servers[next->of[i].model];
		for (size_t k = m->non; k-- > 0;)
			for (size_t on = 0; on < next->n; on++) {
				if (next->of[on].model != m->on[k])
					continue;
				n++;
				if (link)
					cfw_core_server_link(d->core, next->of[i].id, next->of[on].id);
			}
	}
	return n;
}

static const struct cfw_drive_member *heir_of(const struct cfw_drive *d, const struct cfw_drive_member *old)
{
	for (size_t i = 0; i < d->next.n; i++)
		if (d->next.of[i].model == old->model && d->next.of[i].copy == old->copy)
			return &d->next.of[i];
	return NULL;
}

static void retire(struct cfw_drive *d)
{
	for (size_t i = 0; i < d->now.n; i++) {
		struct cfw_drive_server *s = cfw_drive_server(d, d->now.of[i].id);
		const struct cfw_drive_member *heir = heir_of(d, &d->now.of[i]);
		s->stays = heir && !heir->fresh;
		if (s->stays)
			continue;
		cfw_core_server_retire(d->core, s->id, heir ? heir->id : 0,
				       !heir                                ? CFW_RETIRE_NOW
				       : d->build->what == CFW_M_OVERLAPPED ? CFW_RETIRE_AFTER
									    : CFW_RETIRE_FIRST);
		s->retired = true;
		s->heir = heir && d->build->what == CFW_M_OVERLAPPED ? heir->id : 0;
		d->nretired++;
	}
}

static void take(struct cfw_drive *d)
{
	cfw_core_drop_hooks(d->core, 0);
	for (size_t i = 0; i < d->next.n; i++) {
		const struct cfw_drive_member *who = &d->next.of[i];
		struct cfw_server_opts o = d->m->servers[who->model].opts;
		if (who->fresh) {
			cfw_core_server_commit(d->core, who->id);
			continue;
		}
		cfw_core_server_forget_after(d->core, who->id);
		cfw_core_drop_hooks(d->core, who->id);
		if (who->updated) {
			o.restart = o.restart ? CFW_RESTART_NEVER : CFW_RESTART_ALWAYS;
			o.restart_max = 2;
			o.stop_timeout_ns = 2 * CFW_SEC;
			o.expect_exit = !o.expect_exit;
		}
		cfw_core_server_options(d->core, who->id, &o);
	}
	for (size_t i = 0; i < d->next.nhooks; i++)
		cfw_core_hook_commit(d->core, d->m->staged_hooks[i]);
	count_edges(d, true);
}

/* What is left of the hooks that were dropped. */
static void forget_hooks(struct cfw_drive *d)
{
	struct cfw_hook_view v;
	for (size_t i = 0; i < d->m->hook_places_used; i++)
		if (d->m->hook_places[i].id && cfw_core_hook_view(d->core, d->m->hook_places[i].id, &v))
			d->m->hook_places[i].id = 0;
}

static enum cfw_server_state state_of(const struct cfw_drive *d, cfw_id id)
{
	struct cfw_server_view v;
	return cfw_core_server_view(d->core, id, &v) ? CFW_SERVER_STATES : v.state;
}

/* S7.2: what stays runs on, who is new has their name, and nobody else has. */
static void check(struct cfw_drive *d)
{
	struct cfw_server_view v;
	size_t n = 0;
	for (cfw_id id = 0; (id = cfw_core_server_next(d->core, id));)
		n += cfw_core_server_view(d->core, id, &v) == 0 && !v.retired;
	if (n != d->next.n)
		cfw_drive_find(d, CFW_FINDING_HOST, "S7.2: after the swap there are %zu servers, not %zu", n, d->next.n);
	for (size_t i = 0; i < d->next.n; i++) {
		const struct cfw_drive_member *who = &d->next.of[i];
		if (cfw_core_server_view(d->core, who->id, &v) || cfw_core_server_find(d->core, v.name) != who->id)
			cfw_drive_find(d, CFW_FINDING_HOST, "S7.2: after the swap a server is not found by its name");
		else if (!who->fresh && v.state != who->before)
			cfw_drive_find(d, CFW_FINDING_HOST, "S7.2: %s is the same in the new policy, and was %s and is %s",
				       v.name, cfw_server_state_name(who->before), cfw_server_state_name(v.state));
	}
}

static void swap(struct cfw_drive *d)
{
	static const struct cfw_event tick = {.type = CFW_EV_TICK}, swapped = {.type = CFW_EV_SWAP};
	cfw_id who;
	cfw_drive_feed(d, &tick); /* what is due now is not the swap's doing */
	if (d->exited || !cfw_core_settled(d->core, &who))
		return;
	if (cfw_core_edges_reserve(d->core, count_edges(d, false))) {
		give_up(d);
		return;
	}
	for (size_t i = 0; i < d->next.n; i++)
		d->next.of[i].before = state_of(d, d->next.of[i].id);
	retire(d);
	take(d);
	forget_hooks(d);
	d->build = NULL;
	cfw_drive_feed(d, &swapped);
	check(d);
	struct cfw_drive_set old = d->now;
	d->now = d->next;
	d->next = old;
	for (size_t i = 0; i < d->now.n; i++)
		d->now.of[i].fresh = d->now.of[i].updated = false;
	d->next.n = d->next.nhooks = 0;
}

uint64_t cfw_drive_remade_at(const struct cfw_drive *d)
{
	if (!d->build)
		return CFW_NEVER;
	return d->now_ns < d->built_ns ? d->built_ns : cfw_time_add(d->built_ns, SETTLE);
}

void cfw_drive_remake(struct cfw_drive *d)
{
	struct cfw_stop_view stop;
	cfw_id who;
	if ((!d->build && !d->once_more) || d->exited)
		return;
	cfw_core_stop_view(d->core, &stop);
	bool ready = d->build && d->now_ns >= d->built_ns;
	if (d->build && (stop.running || (ready && d->build->broken) || d->now_ns >= cfw_time_add(d->built_ns, SETTLE)))
		give_up(d);
	else if (d->build && ready && cfw_core_settled(d->core, &who))
		swap(d);
	if (d->build || d->exited)
		return;
	if (d->once_more && !stop.running)
		begin(d);
	d->once_more = false;
}

/* S7.2: it stops, once its heir has come to where it stays. */
static void check_leaving(struct cfw_drive *d, const struct cfw_drive_server *s)
{
	struct cfw_server_view v, heir;
	if (cfw_core_server_view(d->core, s->id, &v) || v.state != CFW_S_STARTED)
		return;
	if (!s->heir || cfw_core_server_view(d->core, s->heir, &heir) || heir.state == CFW_S_STARTED)
		cfw_drive_find(d, CFW_FINDING_HOST, "S7.2: %s has left the policy and is not told to stop", v.name);
}

void cfw_drive_sweep(struct cfw_drive *d)
{
	bool again = d->nretired != 0;
	while (again) {
		again = false;
		for (size_t i = 0; i < d->m->places_used; i++) {
			struct cfw_drive_server *s = &d->m->places[i];
			if (s->id && s->retired)
				check_leaving(d, s);
			if (!s->id || !s->retired || cfw_core_server_remove(d->core, s->id, NULL))
				continue;
			if (s->alive && !s->cut)
				cfw_drive_find(d, CFW_FINDING_HOST,
					       "S7.2: a server that has left the policy is forgotten and runs on");
			s->id = 0;
			d->nretired--;
			again = d->nretired != 0; /* what it depended on may follow */
		}
		forget_hooks(d);
	}
}
