/* curfew_swap.c: a policy that is built takes the place of the one in force (S7.2). First all that can fail, with nothing changed
 * that anybody sees; then the rest, which cannot. */
#include "curfew_embed.h"
#include "curfew_stage.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

/* ---- sockets that are handed over ---- */

/* A port that the kernel chose is known to nobody but by the server's name. */
static bool may_have(const struct curfew *c, cfw_id server, cfw_id from, const char *address)
{
	struct cfw_server_view a, b;
	size_t n = strlen(address);
	if (n < 2 || strcmp(address + n - 2, ":0") != 0)
		return true;
	return !cfw_core_server_view(c->core, server, &a) && !cfw_core_server_view(c->core, from, &b) &&
	       !strcmp(a.name, b.name);
}

int cfw_socket(void *ud, cfw_id server, const char *address)
{
	struct curfew *c = ud;
	bool trying = c->next != NULL;
	for (size_t i = 0; (trying || c->nretired) && i < c->nservers; i++) {
		struct cfw_entry *s = &c->servers[i];
		if (!s->id || !s->kind->hand_over || (s->retired ? false : !trying || s->stays) ||
		    !may_have(c, server, s->id, address))
			continue;
		int fd = s->kind->hand_over(s->srv, address, s->retired);
		if (fd >= 0)
			return s->retired ? fd : CFW_SOCKET_LATER;
	}
	return -1;
}

static bool is_new(const struct cfw_staged_server *s)
{
	return s->change == CFW_ADDED || s->change == CFW_REPLACED;
}

/* ---- what can fail ---- */

/* Servers that no script made, and that the new one does not speak of, stay. */
static int adopt_hosts(struct cfw_gen *g, struct curfew_err *err)
{
	struct curfew *c = g->c;
	struct cfw_server_view v;
	for (size_t i = 0; i < c->nservers; i++) {
		const struct cfw_entry *s = &c->servers[i];
		if (!s->id || !s->host || s->retired || cfw_core_server_view(c->core, s->id, &v) ||
		    cfw_core_server_find(g->stage->scratch, v.name))
			continue;
		int rc = cfw_stage_adopt(g, s, err);
		if (rc)
			return rc;
	}
	return 0;
}

static void mark_staying(struct curfew *c, const struct cfw_stage *st)
{
	for (size_t i = 0; i < c->nservers; i++)
		c->servers[i].stays = false;
	for (size_t i = 0; i < st->nservers; i++)
		if (!is_new(&st->servers[i]))
			cfw_entry_get(c, st->servers[i].id)->stays = true;
}

static int prepare(const struct cfw_stage *st, struct curfew_err *err)
{
	for (size_t i = 0; i < st->nservers; i++) {
		const struct cfw_staged_server *s = &st->servers[i];
		int rc = is_new(s) && s->kind->prepare ? s->kind->prepare(s->srv, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

/* The new one saw curfew.kept as it was when its build began. What has changed since in the old one counts, unless the new one has
 * set the same key itself. */
static int hand_over_kept(struct curfew *c, struct cfw_gen *g, struct curfew_err *err)
{
	const struct cfw_value *before = g->stage->kept;
	struct cfw_value *now = cfw_policy_kept(c->policy, err), *own = now ? cfw_policy_kept(g->policy, err) : NULL;
	struct cfw_value *late = own ? cfw_value_map() : NULL;
	int rc = late ? 0 : err && err->code ? err->code : cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	for (size_t i = 0; !rc && i < cfw_value_len(now); i++) {
		const char *key = cfw_value_key(now, i);
		if (cfw_value_equal(cfw_value_get(own, key), cfw_value_get(before, key)) &&
		    cfw_value_set(late, key, cfw_value_copy(cfw_value_at(now, i))))
			rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	if (!rc && cfw_policy_keep(g->policy, late))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	cfw_value_free(now);
	cfw_value_free(own);
	cfw_value_free(late);
	return rc;
}

static int say(struct cfw_value *list, const char *name, enum cfw_change change)
{
	static const char *const words[] = {"added", "removed", "replaced", "updated", "unchanged"};
	struct cfw_value *v = cfw_value_map();
	if (!(cfw_value_set(v, "name", cfw_value_str(name)) | cfw_value_set(v, "change", cfw_value_str(words[change]))))
		return cfw_value_push(list, v);
	cfw_value_free(v);
	return CURFEW_ENOMEM;
}

/* What becomes of each server: { name, change }, …; NULL when memory is gone. */
static struct cfw_value *list_changes(const struct curfew *c, const struct cfw_stage *st)
{
	struct cfw_value *list = cfw_value_list();
	struct cfw_server_view v;
	int bad = !list;
	for (size_t i = 0; !bad && i < st->nservers; i++)
		bad = cfw_core_server_view(c->core, st->servers[i].id, &v) || say(list, v.name, st->servers[i].change);
	for (size_t i = 0; !bad && i < c->nservers; i++) {
		const struct cfw_entry *s = &c->servers[i];
		if (s->id && !s->retired && !s->stays && cfw_core_server_view(c->core, s->id, &v) == 0 &&
		    !cfw_core_server_find(st->scratch, v.name))
			bad = say(list, v.name, CFW_REMOVED);
	}
	if (!bad)
		return list;
	cfw_value_free(list);
	return NULL;
}

static int check(struct curfew *c, struct cfw_gen *g, struct cfw_value **what, struct curfew_err *err)
{
	const struct cfw_stage *st = g->stage;
	int rc = adopt_hosts(g, err);
	if (!rc)
		rc = cfw_host_hooks_stage(g, err);
	if (rc)
		return rc;
	mark_staying(c, st);
	*what = list_changes(c, st);
	if (!*what || cfw_core_edges_reserve(c->core, st->nedges))
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	rc = hand_over_kept(c, g, err);
	if (!rc)
		rc = prepare(st, err);
	return rc ? rc : cfw_configure(c, st->conf, true, err);
}

/* ---- what cannot ---- */

static const struct cfw_staged_server *heir_of(const struct cfw_stage *st, const char *name)
{
	cfw_id scratch = cfw_core_server_find(st->scratch, name);
	for (size_t i = 0; scratch && i < st->nservers; i++)
		if (st->servers[i].scratch == scratch)
			return &st->servers[i];
	return NULL;
}

static void retire_servers(struct curfew *c, const struct cfw_stage *st)
{
	struct cfw_server_view v;
	for (size_t i = 0; i < c->nservers; i++) {
		struct cfw_entry *s = &c->servers[i];
		if (!s->id || s->stays || s->retired || cfw_core_server_view(c->core, s->id, &v))
			continue;
		const struct cfw_staged_server *heir = heir_of(st, v.name);
		bool beside =
			heir && ((s->kind->beside && heir->kind->beside) || cfw_value_get_bool(heir->def, "overlap", false));
		cfw_core_server_retire(c->core, s->id, heir ? heir->id : 0,
				       !heir    ? CFW_RETIRE_NOW
				       : beside ? CFW_RETIRE_AFTER
						: CFW_RETIRE_FIRST);
		s->retired = true;
		c->nretired++;
	}
}

/* It runs on, as what s says. */
static void renew(struct cfw_gen *g, struct cfw_staged_server *s)
{
	struct curfew *c = g->c;
	struct cfw_entry *e = cfw_entry_get(c, s->id);
	struct cfw_server_opts opts;
	cfw_core_server_forget_after(c->core, s->id);
	cfw_core_drop_hooks(c->core, s->id);
	e->gen = g;
	e->result = NULL;
	if (!s->srv)
		return; /* no script's */
	cfw_server_opts_read(s->def, &opts);
	cfw_core_server_options(c->core, s->id, &opts);
	e->decides = cfw_value_get_bool(s->def, "decides", false);
	if (!s->kind->renew || !s->kind->renew(e->srv, s->srv))
		s->kind->free(s->srv);
	if (!e->first_def)
		e->first_def = e->def;
	else
		s->old_def = e->def; /* freed with the stage */
	e->def = s->def;
}

static void take_servers(struct cfw_gen *g, struct cfw_stage *st)
{
	struct curfew *c = g->c;
	for (size_t i = 0; i < st->nservers; i++) {
		struct cfw_staged_server *s = &st->servers[i];
		if (is_new(s)) {
			cfw_core_server_commit(c->core, s->id);
			*cfw_entry_room(c, s->id) = (struct cfw_entry){.id = s->id,
								       .kind = s->kind,
								       .srv = s->srv,
								       .def = s->def,
								       .gen = g,
								       .decides = cfw_value_get_bool(s->def, "decides", false)};
		} else {
			renew(g, s);
		}
		s->srv = NULL;
		s->def = NULL;
		s->old_mark = cfw_entry_get(c, s->id)->mark;
		cfw_page_place_server(c, g, s->id);
		cfw_page_note_server(c, s->id);
	}
}

/* The new region says it all from here on, but of those that still stop under the old policy. */
static void leave_region(struct curfew *c, const struct cfw_gen *old, const struct cfw_stage *st)
{
	bool any = false;
	for (size_t i = 0; i < st->nservers; i++)
		if (!is_new(&st->servers[i]))
			cfw_page_server_done(c->page, st->servers[i].old_mark);
	for (size_t i = 0; i < c->nservers; i++)
		any |= c->servers[i].id && c->servers[i].retired && c->servers[i].gen == old;
	if (any && cfw_page_old_add(c->page, old->region))
		cfw_log_at(c->opt.log, CFW_WARN,
			   "reload: too many policies have servers that still stop: should this process crash, the "
			   "hooks of those of generation %u are not run",
			   old->number);
}

static void take_hooks(struct cfw_gen *g, struct cfw_stage *st)
{
	struct curfew *c = g->c;
	for (size_t i = 0; i < st->nhooks; i++) {
		cfw_core_hook_commit(c->core, st->hooks[i]);
		cfw_page_place_hook(c, g, st->hooks[i]);
		cfw_page_unmark(c->page, cfw_page_hook_mark(c, st->hooks[i]));
		cfw_page_note_hook(c, st->hooks[i]);
	}
	st->nhooks = 0;
	for (size_t i = 0; i < st->nedges; i++)
		cfw_core_server_link(c->core, st->edges[i].from, st->edges[i].to);
}

/* Behind what the old one has in the page, or, where there is no room, in front of it. */
static void place_region(struct cfw_gen *g, const struct cfw_gen *old, const struct cfw_stage *st)
{
	size_t servers = (size_t)old->region.servers + old->n_servers, hooks = (size_t)old->region.hooks + old->n_hooks;
	g->region = (struct cfw_region){
		.generation = (uint16_t)g->number,
		.servers = servers + st->nservers <= CFW_PAGE_SERVERS ? (uint16_t)servers : 0,
		.hooks = hooks + st->nhooks <= CFW_PAGE_MARKS ? (uint32_t)hooks : 0,
	};
}

/* Where it lies over what an old one has there, that is lost. */
static void clear_below(struct curfew *c, const struct cfw_gen *g, const struct cfw_stage *st)
{
	for (const struct cfw_gen *o = g->older ? g->older->older : NULL; o; o = o->older) {
		bool servers = g->region.servers < o->region.servers + o->n_servers &&
			       o->region.servers < g->region.servers + st->nservers;
		bool hooks = g->region.hooks < o->region.hooks + o->n_hooks && o->region.hooks < g->region.hooks + st->nhooks;
		if (servers || hooks)
			cfw_page_old_del(c->page, (uint16_t)o->number);
	}
}

static void keep_sources(struct curfew *c, const struct cfw_gen *g, const struct cfw_stage *st)
{
	if (c->opt.keep_generation)
		c->opt.keep_generation(c->opt.ud, (uint16_t)g->number);
	for (size_t i = 0; i < st->nsources; i++)
		c->opt.keep_source(c->opt.ud, st->sources[i].key, st->sources[i].path, st->sources[i].src, st->sources[i].n);
}

static void take_rules(struct curfew *c, const struct cfw_stage *st)
{
	struct curfew_err err;
	for (int signo = 1; signo < 64; signo++)
		if ((st->ruled & ~c->ruled) >> signo & 1 && c->opt.on_signal_rule && !c->deactivated &&
		    c->opt.on_signal_rule(c->opt.ud, signo, &err))
			cfw_log_at(c->opt.log, CFW_ERROR, "reload: a rule has no effect: %s", err.msg);
	c->ruled = st->ruled;
	if (curfew_signal_has_rule(c, SIGHUP))
		cfw_own_ruled(c, SIGHUP);
}

/* S7.3: tasks that asked for the reload may hear of it. */
static void retire_policy(struct curfew *c, struct cfw_gen *old)
{
	cfw_token *spared = calloc(c->nwaiters + 1, sizeof *spared);
	size_t n = 0;
	for (size_t i = 0; spared && i < c->nwaiters; i++)
		if (c->waiters[i].what == CFW_AWAITS_RELOAD && !c->waiters[i].fn)
			spared[n++] = c->waiters[i].token;
	old->since_ns = cfw_now(c);
	cfw_policy_retire(old->policy, spared, n);
	free(spared);
}

static void begin_deferred(struct cfw_gen *g, struct cfw_stage *st)
{
	for (size_t i = 0; i < st->nlater; i++) {
		const struct cfw_deferred *d = &st->later[i];
		struct curfew_err err = {0};
		int rc = 0;
		if (d->what == CFW_LATER_TRIGGER)
			cfw_raise_trigger(g, &d->trigger, d->text, NULL);
		else if (d->what == CFW_LATER_REQUEST)
			rc = cfw_request(g, d->token, d->request, d->server, d->flag, &err);
		else
			rc = cfw_service_begin(g->c, d->token, d->text, d->args, &err);
		if (rc)
			cfw_policy_answer(g->policy, d->token, NULL, &err);
	}
}

int cfw_swap(struct curfew *c, struct cfw_value **what, struct curfew_err *err)
{
	struct cfw_gen *g = c->next, *old = c->gen;
	struct cfw_stage *st = g->stage;
	int rc = check(c, g, what, err);
	if (rc)
		return rc;
	g->stage = NULL;
	g->older = old;
	g->config = c->policy_config;
	g->since_ns = cfw_now(c);
	c->next = NULL;
	c->gen = g;
	c->policy = g->policy;
	c->loading = st->loading;
	c->idle_raised = false;
	place_region(g, old, st);
	clear_below(c, g, st);
	retire_servers(c, st);
	cfw_core_drop_hooks(c->core, 0);
	take_servers(g, st);
	cfw_host_hooks_swapped(c, st);
	take_hooks(g, st);
	keep_sources(c, g, st);
	cfw_page_set_region(c->page, g->region);
	leave_region(c, old, st);
	take_rules(c, st);
	for (size_t i = 0; i < st->nservers; i++) /* sockets that are handed over are shared from here on */
		if (is_new(&st->servers[i]) && st->servers[i].kind->prepare)
			st->servers[i].kind->prepare(cfw_entry_get(c, st->servers[i].id)->srv, NULL);
	cfw_inbox_put(c, &(struct cfw_event){.type = CFW_EV_SWAP});
	retire_policy(c, old);
	cfw_policy_configure(g->policy, &g->config);
	cfw_policy_release(g->policy);
	begin_deferred(g, st);
	cfw_gens_limit(c);
	c->spent = st; /* to return its memory is for another turn of the loop */
	return 0;
}

/* ---- afterwards ---- */

void cfw_retired_sweep(struct curfew *c)
{
	bool again = c->nretired != 0;
	while (again) {
		again = false;
		for (size_t i = 0; i < c->nservers; i++) {
			struct cfw_entry *s = &c->servers[i];
			if (!s->id || !s->retired || cfw_core_server_remove(c->core, s->id, NULL))
				continue;
			struct cfw_gen *gen = s->gen;
			cfw_entry_free(s);
			c->nretired--;
			again = c->nretired != 0; /* what it depended on may follow */
			if (!cfw_gen_stops_servers(c, gen))
				cfw_page_old_del(c->page, (uint16_t)gen->number);
		}
	}
}
