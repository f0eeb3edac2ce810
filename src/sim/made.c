/* made.c: the core of a run is made: its memory, which ends where the schedule says, the servers and hooks of the model. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "sim/drive.h"

enum { SLOT_MASK = 0xfffff };

/* Memory that is never given back but all at once. */
static void *take(void *ud, void *ptr, size_t old_size, size_t new_size)
{
	struct cfw_arena *a = ud;
	size_t need = (new_size + 15) & ~(size_t)15;
	if (new_size == 0)
		return NULL;
	if (a->fails_in && --a->fails_in == 0) {
		a->fails_in = a->all;
		return NULL;
	}
	if (ptr && (unsigned char *)ptr + ((old_size + 15) & ~(size_t)15) == a->at + a->used &&
	    need <= a->size - (size_t)((unsigned char *)ptr - a->at)) { /* the last one grows in its place */
		a->used = (size_t)((unsigned char *)ptr - a->at) + need;
		return ptr;
	}
	if (need > a->size - a->used)
		return NULL;
	void *p = a->at + a->used;
	a->used += need;
	if (ptr)
		memcpy(p, ptr, old_size < new_size ? old_size : new_size);
	return p;
}

static size_t slot_of(cfw_id id)
{
	return (id & SLOT_MASK) - 1;
}

struct cfw_drive_server *cfw_drive_server(const struct cfw_drive *d, cfw_id id)
{
	struct cfw_drive_server *s = id && slot_of(id) < d->m->nplaces ? &d->m->places[slot_of(id)] : NULL;
	return s && s->id == id ? s : NULL;
}

struct cfw_drive_hook *cfw_drive_hook(const struct cfw_drive *d, cfw_id id)
{
	struct cfw_drive_hook *h = id && slot_of(id) < d->m->nhook_places ? &d->m->hook_places[slot_of(id)] : NULL;
	return h && h->id == id ? h : NULL;
}

int cfw_drive_room(struct cfw_model *m)
{
	size_t policies = CFW_MODEL_BUILDS + 1;
	m->nplaces = m->nservers + 4 * policies;
	m->nhook_places = 3 * policies * m->nhooks; /* in force, staged, and of what stops */
	m->places = calloc(m->nplaces, sizeof *m->places);
	m->hook_places = calloc(m->nhook_places + 1, sizeof *m->hook_places);
	m->members = calloc(2 * (m->nservers + policies), sizeof *m->members);
	m->staged_hooks = calloc(policies * m->nhooks + 1, sizeof *m->staged_hooks);
	return m->places && m->hook_places && m->members && m->staged_hooks ? 0 : CURFEW_ENOMEM;
}

cfw_id cfw_drive_add_server(struct cfw_drive *d, const struct cfw_drive_member *who, bool staged)
{
	char name[256];
	struct cfw_server_opts o = d->m->servers[who->model].opts;
	o.staged = staged;
	if (who->copy) {
		snprintf(name, sizeof name, "%.200s of reload %u", o.name, who->copy);
		o.name = name;
	}
	cfw_id id = cfw_core_server_add(d->core, &o, NULL);
	if (id && slot_of(id) >= d->m->nplaces)
		cfw_drive_find(d, CFW_FINDING_MEMORY, "it has too many servers to be tried");
	if (!id || slot_of(id) >= d->m->nplaces)
		return 0;
	d->m->places[slot_of(id)] = (struct cfw_drive_server){.id = id, .model = who->model};
	if (slot_of(id) >= d->m->places_used)
		d->m->places_used = slot_of(id) + 1;
	return id;
}

cfw_id cfw_drive_add_hook(struct cfw_drive *d, size_t model, cfw_id server, bool staged)
{
	struct cfw_hook_opts o = d->m->hooks[model].opts;
	o.server = server;
	o.staged = staged;
	cfw_id id = cfw_core_hook_add(d->core, &o, NULL);
	if (id && slot_of(id) >= d->m->nhook_places)
		cfw_drive_find(d, CFW_FINDING_MEMORY, "it has too many hooks to be tried");
	if (!id || slot_of(id) >= d->m->nhook_places)
		return 0;
	d->m->hook_places[slot_of(id)] = (struct cfw_drive_hook){.id = id, .model = model};
	if (slot_of(id) >= d->m->hook_places_used)
		d->m->hook_places_used = slot_of(id) + 1;
	return id;
}

/* A step of the registration failed: nothing has changed then, and it succeeds when there is memory again. */
static bool once_more(struct cfw_drive *d, uint64_t before)
{
	if (!d->s->memory || d->arena.fails_in)
		return false;
	if (cfw_drive_digest(d->core) != before)
		cfw_drive_find(d, CFW_FINDING_HOST, "something was registered though there was no memory for it");
	return true;
}

static uint64_t digest(const struct cfw_drive *d)
{
	return d->s->memory && !d->s->memory_all ? cfw_drive_digest(d->core) : 0;
}

static bool register_edge(struct cfw_drive *d, size_t i, size_t k)
{
	cfw_id from = d->now.of[i].id, to = d->now.of[d->m->servers[i].on[k]].id;
	uint64_t before = digest(d);
	return cfw_core_server_after(d->core, from, to, NULL) == 0 ||
	       (once_more(d, before) && cfw_core_server_after(d->core, from, to, NULL) == 0);
}

static bool register_all(struct cfw_drive *d)
{
	struct cfw_model *m = d->m;
	d->now.n = m->nservers;
	for (size_t i = 0; i < m->nservers; i++) {
		struct cfw_drive_member *who = &d->now.of[i];
		uint64_t before = digest(d);
		*who = (struct cfw_drive_member){.model = i};
		who->id = cfw_drive_add_server(d, who, false);
		if (!who->id && !(once_more(d, before) && (who->id = cfw_drive_add_server(d, who, false))))
			return false;
	}
	for (size_t i = 0; i < m->nservers; i++)
		for (size_t k = m->servers[i].non; k-- > 0;)
			if (!register_edge(d, i, k))
				return false;
	for (size_t i = 0; i < m->nhooks; i++) {
		cfw_id server = m->hooks[i].server ? d->now.of[m->hooks[i].server - 1].id : 0;
		uint64_t before = digest(d);
		if (!cfw_drive_add_hook(d, i, server, false) &&
		    !(once_more(d, before) && cfw_drive_add_hook(d, i, server, false)))
			return false;
	}
	return true;
}

bool cfw_drive_make(struct cfw_drive *d)
{
	struct cfw_model *m = d->m;
	struct cfw_alloc alloc = {take, &d->arena};
	memset(m->places, 0, m->places_used * sizeof *m->places);
	memset(m->hook_places, 0, m->hook_places_used * sizeof *m->hook_places);
	m->places_used = m->hook_places_used = 0;
	d->now.of = m->members;
	d->next.of = m->members + m->nservers + CFW_MODEL_BUILDS;
	d->arena.fails_in = d->s->memory_all ? 0 : d->s->memory;
	d->core = cfw_core_new(&alloc, &m->config);
	if (!d->core && d->s->memory)
		d->core = cfw_core_new(&alloc, &m->config);
	if (!d->core || !register_all(d))
		return false;
	if (d->s->memory_all) {
		d->arena.all = true;
		d->arena.fails_in = d->s->memory;
	}
	return true;
}
