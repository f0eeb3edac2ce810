/* Servers and hooks: added, found, removed. Whatever a stop may need for them is reserved here. */
#include <string.h>

#include "base/err.h"
#include "core/machine.h"

/* Of the journal: what one stop has to say of it. A server is held, drains, is cut off (that, and what it is then), is down; of a hook: that
 * its server is in that phase, its begin, its end. */
enum { ENTRIES_A_SERVER = 5, ENTRIES_A_HOOK = 3 };

struct cfw_server *cfw_server_get(const struct cfw_core *c, cfw_id id)
{
	return cfw_slots_get(&c->servers, id);
}

struct cfw_hook *cfw_hook_get(const struct cfw_core *c, cfw_id id)
{
	return cfw_slots_get(&c->hooks, id);
}

static size_t bucket(const struct cfw_core *c, const char *name)
{
	uint32_t h = 2166136261u;
	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h & (uint32_t)(c->names_cap - 1);
}

void cfw_names_put(struct cfw_core *c, struct cfw_server *s)
{
	cfw_id *b = &c->names[bucket(c, s->name)];
	s->hash_next = *b;
	*b = s->id;
}

/* Room in the table of names for one more server. */
static int reserve_name(struct cfw_core *c)
{
	if (c->servers.used < c->names_cap)
		return 0;
	size_t cap = c->names_cap ? c->names_cap * 2 : 16;
	cfw_id *names = cfw_calloc(&c->alloc, cap * sizeof *names);
	if (!names)
		return CURFEW_ENOMEM;
	cfw_free(&c->alloc, c->names, c->names_cap * sizeof *names);
	c->names = names;
	c->names_cap = cap;
	for (cfw_id id = 0; (id = cfw_slots_next(&c->servers, id)) != 0;)
		if (!cfw_server_get(c, id)->staged && !cfw_server_get(c, id)->retired)
			cfw_names_put(c, cfw_server_get(c, id));
	return 0;
}

void cfw_names_take(struct cfw_core *c, struct cfw_server *s)
{
	cfw_id *link = &c->names[bucket(c, s->name)];
	while (*link != s->id)
		link = &cfw_server_get(c, *link)->hash_next;
	*link = s->hash_next;
}

cfw_id cfw_core_server_find(const struct cfw_core *core, const char *name)
{
	if (!name || !core->names_cap)
		return 0;
	for (cfw_id id = core->names[bucket(core, name)]; id; id = cfw_server_get(core, id)->hash_next)
		if (strcmp(cfw_server_get(core, id)->name, name) == 0)
			return id;
	return 0;
}

cfw_id cfw_core_server_next(const struct cfw_core *core, cfw_id server)
{
	do
		server = cfw_slots_next(&core->servers, server);
	while (server && cfw_server_get(core, server)->staged);
	return server;
}

cfw_id cfw_core_hook_next(const struct cfw_core *core, cfw_id hook)
{
	do
		hook = cfw_slots_next(&core->hooks, hook);
	while (hook && cfw_hook_get(core, hook)->staged);
	return hook;
}

/* Registration is closed once a stop has begun. */
static int check_open(const struct cfw_core *c, const char *what, struct curfew_err *err)
{
	if (c->stop.running || c->ended)
		return cfw_err_set(err, CURFEW_ESTATE, "%s: a stop has begun", what);
	return 0;
}

static size_t limits(const struct cfw_core *c)
{
	return c->servers.used + c->hooks.used + c->questions.used;
}

static cfw_id add_server(struct cfw_core *c, const struct cfw_server_opts *o)
{
	void *item;
	if (reserve_name(c) || cfw_due_reserve(c, limits(c) + 1))
		return 0;
	cfw_id id = cfw_slots_new(&c->servers, &item);
	if (!id)
		return 0;
	struct cfw_server *s = item;
	s->name = cfw_strdup(&c->alloc, o->name);
	s->kind = cfw_strdup(&c->alloc, o->kind ? o->kind : "");
	if (!s->name || !s->kind || cfw_journal_reserve(c, ENTRIES_A_SERVER)) {
		cfw_strfree(&c->alloc, s->name);
		cfw_strfree(&c->alloc, s->kind);
		cfw_slots_del(&c->servers, id);
		return 0;
	}
	s->id = id;
	cfw_core_server_options(c, id, o);
	s->since_ns = c->now_ns;
	s->staged = o->staged;
	if (!s->staged)
		cfw_names_put(c, s);
	return id;
}

cfw_id cfw_core_server_add(struct cfw_core *core, const struct cfw_server_opts *opts, struct curfew_err *err)
{
	if (!opts->name || !*opts->name) {
		cfw_err_set(err, CURFEW_EINVAL, "a server needs a name");
		return 0;
	}
	if (check_open(core, opts->name, err))
		return 0;
	if (!opts->staged && cfw_core_server_find(core, opts->name)) {
		cfw_err_set(err, CURFEW_EEXIST, "there is a server named \"%s\" already", opts->name);
		return 0;
	}
	cfw_id id = add_server(core, opts);
	if (!id)
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	return id;
}

int cfw_core_server_after(struct cfw_core *core, cfw_id server, cfw_id on, struct curfew_err *err)
{
	struct cfw_server *s = cfw_server_get(core, server), *to = cfw_server_get(core, on);
	if (!s || !to)
		return cfw_err_set(err, CURFEW_ENOENT, "no such server");
	int rc = check_open(core, s->name, err);
	if (rc)
		return rc;
	return cfw_graph_add(core, s, to, err);
}

void cfw_hook_free(struct cfw_core *c, struct cfw_hook *h)
{
	cfw_due_set(c, CFW_DUE_HOOK, h->id, CFW_NEVER);
	cfw_strfree(&c->alloc, h->name);
	cfw_strfree(&c->alloc, h->where);
	cfw_slots_del(&c->hooks, h->id);
	c->journal.room_for -= ENTRIES_A_HOOK;
}

int cfw_core_server_remove(struct cfw_core *core, cfw_id server, struct curfew_err *err)
{
	struct cfw_server *s = cfw_server_get(core, server);
	if (!s)
		return cfw_err_set(err, CURFEW_ENOENT, "no such server");
	int rc = s->staged ? 0 : check_open(core, s->name, err);
	if (rc)
		return rc;
	if (!cfw_server_at_rest(s) || s->state == CFW_S_WAITING)
		return cfw_err_set(err, CURFEW_ESTATE, "%s is %s", s->name,
				   cfw_server_state_name((enum cfw_server_state)s->state));
	if (s->dependants)
		return cfw_err_set(err, CURFEW_ESTATE, "%s is needed by %s", s->name,
				   cfw_server_get(core, core->edges[s->dependants - 1].from)->name);
	cfw_queue_forget_server(core, s);
	cfw_waiters_reply(core, &s->waiters, CFW_CUT, 0, 0);
	cfw_due_set(core, CFW_DUE_SERVER, server, CFW_NEVER);
	for (int phase = 0; phase < CFW_PHASES; phase++)
		while (s->hooks[phase]) {
			struct cfw_hook *h = cfw_hook_get(core, s->hooks[phase]);
			s->hooks[phase] = h->next;
			cfw_hook_free(core, h);
		}
	cfw_graph_drop(core, s);
	if (!s->staged && !s->retired)
		cfw_names_take(core, s);
	if (s->heir)
		cfw_server_get(core, s->heir)->ancestor = 0;
	if (s->ancestor)
		cfw_server_get(core, s->ancestor)->heir = 0;
	cfw_strfree(&core->alloc, s->name);
	cfw_strfree(&core->alloc, s->kind);
	cfw_slots_del(&core->servers, server);
	core->journal.room_for -= ENTRIES_A_SERVER;
	return 0;
}

static struct cfw_hook *add_hook(struct cfw_core *c, const struct cfw_hook_opts *o)
{
	void *item;
	if (cfw_due_reserve(c, limits(c) + 1))
		return NULL;
	cfw_id id = cfw_slots_new(&c->hooks, &item);
	if (!id)
		return NULL;
	struct cfw_hook *h = item;
	h->name = o->name ? cfw_strdup(&c->alloc, o->name) : NULL;
	h->where = o->where ? cfw_strdup(&c->alloc, o->where) : NULL;
	if ((o->name && !h->name) || (o->where && !h->where) || cfw_journal_reserve(c, ENTRIES_A_HOOK)) {
		cfw_strfree(&c->alloc, h->name);
		cfw_strfree(&c->alloc, h->where);
		cfw_slots_del(&c->hooks, id);
		return NULL;
	}
	h->id = id;
	h->server = o->server;
	h->phase = (uint8_t)o->phase;
	h->timeout_ns = o->timeout_ns;
	h->ref = o->ref;
	h->serial = c->hook_serial++ * 37;
	return h;
}

void cfw_hook_link(struct cfw_core *c, struct cfw_hook *h)
{
	struct cfw_server *s = h->server ? cfw_server_get(c, h->server) : NULL;
	cfw_id *first = s ? s->hooks : c->global_hooks, *last = s ? s->last_hook : c->global_last;
	if (last[h->phase])
		cfw_hook_get(c, last[h->phase])->next = h->id;
	else
		first[h->phase] = h->id;
	last[h->phase] = h->id;
	if (h->phase != CFW_PRE_STOP)
		return;
	if (s)
		s->pre_hooks++;
	c->pre_owed += !s || s->owed;
}

cfw_id cfw_core_hook_add(struct cfw_core *core, const struct cfw_hook_opts *opts, struct curfew_err *err)
{
	struct cfw_server *s = opts->server ? cfw_server_get(core, opts->server) : NULL;
	if (check_open(core, "hook", err))
		return 0;
	if (opts->server && !s) {
		cfw_err_set(err, CURFEW_ENOENT, "no such server");
		return 0;
	}
	if ((unsigned)opts->phase >= CFW_PHASES || (!s && opts->phase < CFW_PRE_STOP)) {
		cfw_err_set(err, CURFEW_EINVAL, "a hook of no server is a pre_stop or a post_stop");
		return 0;
	}
	if (s && s->released && !opts->staged) {
		cfw_err_set(err, CURFEW_ESTATE, "%s: its stop has begun", s->name);
		return 0;
	}
	struct cfw_hook *h = add_hook(core, opts);
	if (!h) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return 0;
	}
	h->staged = opts->staged;
	if (!h->staged)
		cfw_hook_link(core, h);
	return h->id;
}
