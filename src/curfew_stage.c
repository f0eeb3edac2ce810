/* curfew_stage.c: a policy that is being built (S7.1): what it registers is checked as ever, and kept aside. Servers that are to be
 * made have their ids in the core already, so that what a script holds is right after the swap, too; a server that stays is known
 * to the new policy by the id that it has. */
#define _GNU_SOURCE
#include "curfew_stage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

struct cfw_stage *cfw_stage_new(struct curfew *c)
{
	struct cfw_core_config config;
	struct cfw_stage *st = calloc(1, sizeof *st);
	if (!st)
		return NULL;
	cfw_core_config_default(&config);
	st->scratch = cfw_core_new(&cfw_alloc_std, &config);
	st->conf = cfw_value_map();
	st->until_ns = cfw_time_add(cfw_now(c), cfw_core_config_get(c->core)->start_timeout_ns);
	if (st->scratch && st->conf)
		return st;
	cfw_stage_free(c, st);
	return NULL;
}

static void free_deferred(struct cfw_deferred *d)
{
	free(d->text);
	cfw_value_free(d->args);
}

void cfw_stage_free(struct curfew *c, struct cfw_stage *st)
{
	if (st->scratch)
		cfw_core_free(st->scratch);
	for (size_t i = 0; i < st->nhooks; i++)
		cfw_core_hook_discard(c->core, st->hooks[i]);
	for (size_t i = 0; i < st->nservers; i++) {
		struct cfw_staged_server *s = &st->servers[i];
		cfw_value_free(s->old_def);
		if (!s->srv)
			continue;
		s->kind->free(s->srv);
		if (s->change == CFW_ADDED || s->change == CFW_REPLACED)
			cfw_core_server_remove(c->core, s->id, NULL);
		cfw_value_free(s->def);
	}
	for (size_t i = 0; i < st->nlater; i++)
		free_deferred(&st->later[i]);
	for (size_t i = 0; i < st->nsources; i++) {
		free(st->sources[i].key);
		free(st->sources[i].path);
		free(st->sources[i].src);
	}
	free(st->servers);
	free(st->hooks);
	free(st->edges);
	free(st->later);
	free(st->sources);
	cfw_value_free(st->conf);
	cfw_value_free(st->kept);
	free(st);
}

void cfw_stage_fail(struct cfw_gen *g, const char *text, const char *traceback)
{
	if (g->stage->failed.code)
		return;
	cfw_err_set(&g->stage->failed, CURFEW_ELUA, "%s%s%s", text ? text : "out of memory", traceback ? "\n" : "",
		    traceback ? traceback : "");
	cfw_wake(g->c);
}

void cfw_stage_loaded(struct cfw_gen *g, const struct curfew_err *err)
{
	if (g->stage->loading)
		g->stage->loading--;
	if (g->stage->queued) /* the next one begins by itself */
		g->stage->queued--;
	if (err)
		cfw_stage_fail(g, err->msg, NULL);
	cfw_wake(g->c);
}

struct cfw_staged_server *cfw_staged_of(const struct cfw_stage *st, cfw_id id)
{
	for (size_t i = st->nservers; i-- > 0;) /* mostly the last one is meant */
		if (st->servers[i].id == id)
			return &st->servers[i];
	return NULL;
}

/* ---- servers ---- */

/* The names in def.after, all of them of the new policy. */
static int add_edges(struct cfw_gen *g, cfw_id id, const struct cfw_value *def, struct curfew_err *err)
{
	const struct cfw_value *after = cfw_value_get(def, "after");
	for (size_t i = 0; i < cfw_value_len(after); i++) {
		const char *name = cfw_value_to_str(cfw_value_at(after, i), "");
		cfw_id on = cfw_stage_find(g, name);
		int rc = on ? cfw_stage_after(g, id, on, err)
			    : cfw_err_set(err, CURFEW_ENOENT, "%s: after: there is no server named \"%.60s\"",
					  cfw_value_get_str(def, "name", "?"), name);
		if (rc)
			return rc;
	}
	return 0;
}

/* May the server that runs under this name go on as what s is? */
static bool claim(struct cfw_gen *g, struct cfw_staged_server *s, void *kind_ud, const struct cfw_entry *running,
		  struct curfew_err *err)
{
	const struct cfw_kind *kind = s->kind;
	bool same = cfw_value_alike(running->def, s->def);
	s->srv = kind->open(kind_ud, &g->c->env, running->id, s->def, err);
	if (!s->srv)
		return false;
	if (kind->fits && kind->renew ? kind->fits(running->srv, s->srv) : same && cfw_value_equal(running->def, s->def)) {
		s->id = running->id;
		s->change = same ? CFW_UNCHANGED : CFW_UPDATED;
		return true;
	}
	kind->free(s->srv);
	s->srv = NULL;
	return false;
}

static int open_new(struct cfw_gen *g, struct cfw_staged_server *s, void *kind_ud, struct cfw_server_opts *opts,
		    struct curfew_err *err)
{
	opts->staged = true;
	s->id = cfw_core_server_add(g->c->core, opts, err);
	if (!s->id)
		return CURFEW_ENOMEM;
	if (!cfw_entry_room(g->c, s->id))
		cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", opts->name);
	else if ((s->srv = s->kind->open(kind_ud, &g->c->env, s->id, s->def, err)))
		return 0;
	cfw_core_server_remove(g->c->core, s->id, NULL);
	return CURFEW_EINVAL;
}

cfw_id cfw_stage_server(struct cfw_gen *g, const struct cfw_value *def, struct curfew_err *err)
{
	struct cfw_stage *st = g->stage;
	struct curfew *c = g->c;
	struct cfw_server_opts opts;
	void *kind_ud;
	cfw_server_opts_read(def, &opts);
	const struct cfw_entry *running = cfw_entry_get(c, cfw_core_server_find(c->core, opts.name));
	if (running && running->host) {
		cfw_err_set(err, CURFEW_EEXIST, "there is a server named \"%s\" already: it is the program's own", opts.name);
		return 0;
	}
	struct cfw_staged_server s = {.kind = cfw_kind_find(c, g, def, &kind_ud, err)};
	if (!s.kind || !(s.scratch = cfw_core_server_add(st->scratch, &opts, err)))
		return 0;
	s.def = cfw_value_copy(def);
	if (!s.def || cfw_grow(&cfw_alloc_std, &st->servers, &st->servers_cap, st->nservers + 1, sizeof *st->servers)) {
		cfw_value_free(s.def);
		cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", opts.name);
		return 0;
	}
	s.change = running ? CFW_REPLACED : CFW_ADDED;
	if (!(running && running->kind == s.kind && claim(g, &s, kind_ud, running, err))) {
		if ((err && err->code) || open_new(g, &s, kind_ud, &opts, err)) {
			cfw_core_server_remove(st->scratch, s.scratch, NULL);
			cfw_value_free(s.def);
			return 0;
		}
	}
	st->servers[st->nservers++] = s;
	return add_edges(g, s.id, s.def, err) ? 0 : s.id;
}

int cfw_stage_after(struct cfw_gen *g, cfw_id server, cfw_id on, struct curfew_err *err)
{
	struct cfw_stage *st = g->stage;
	const struct cfw_staged_server *a = cfw_staged_of(st, server), *b = cfw_staged_of(st, on);
	if (!a || !b)
		return cfw_err_set(err, CURFEW_ENOENT, "no such server");
	int rc = cfw_core_server_after(st->scratch, a->scratch, b->scratch, err);
	for (size_t i = 0; !rc && i < st->nedges; i++)
		if (st->edges[i].from == server && st->edges[i].to == on)
			return 0;
	if (!rc && cfw_grow(&cfw_alloc_std, &st->edges, &st->edges_cap, st->nedges + 1, sizeof *st->edges))
		rc = cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (!rc)
		st->edges[st->nedges++] = (struct cfw_staged_edge){server, on};
	return rc;
}

/* A server that no script made stays, whatever the new policy says; it is one of its servers when it is asked for. */
int cfw_stage_adopt(struct cfw_gen *g, const struct cfw_entry *host, struct curfew_err *err)
{
	struct cfw_stage *st = g->stage;
	struct cfw_server_opts opts;
	cfw_server_opts_read(host->def, &opts);
	struct cfw_staged_server s = {.id = host->id, .change = CFW_UNCHANGED, .kind = host->kind};
	if (cfw_grow(&cfw_alloc_std, &st->servers, &st->servers_cap, st->nservers + 1, sizeof *st->servers))
		return cfw_err_set(err, CURFEW_ENOMEM, "%s: out of memory", opts.name);
	if (!(s.scratch = cfw_core_server_add(st->scratch, &opts, err)))
		return CURFEW_ENOMEM;
	st->servers[st->nservers++] = s;
	const struct cfw_value *after = cfw_value_get(host->def, "after");
	for (size_t i = 0; i < cfw_value_len(after); i++) {
		cfw_id on = cfw_stage_find(g, cfw_value_to_str(cfw_value_at(after, i), ""));
		int rc = on ? cfw_stage_after(g, s.id, on, err) : 0;
		if (rc)
			return rc;
	}
	return 0;
}

cfw_id cfw_stage_find(struct cfw_gen *g, const char *name)
{
	struct cfw_stage *st = g->stage;
	const struct cfw_entry *running = cfw_entry_get(g->c, cfw_core_server_find(g->c->core, name));
	if (running && running->host && !cfw_core_server_find(st->scratch, name) && cfw_stage_adopt(g, running, NULL))
		return 0;
	cfw_id scratch = cfw_core_server_find(st->scratch, name);
	for (size_t i = 0; scratch && i < st->nservers; i++)
		if (st->servers[i].scratch == scratch)
			return st->servers[i].id;
	return 0;
}

struct cfw_value *cfw_stage_info(const struct cfw_gen *g, cfw_id server)
{
	const struct cfw_staged_server *s = cfw_staged_of(g->stage, server);
	struct cfw_value *v = s ? cfw_value_map() : NULL;
	if (!v)
		return NULL;
	if (!(cfw_value_set(v, "name", cfw_value_str(cfw_value_get_str(s->def, "name", "?"))) |
	      cfw_value_set(v, "kind", cfw_value_str(s->kind->name)) |
	      cfw_value_set(v, "state", cfw_value_str(cfw_server_state_name(CFW_S_DOWN))) |
	      cfw_value_set(v, "restarts", cfw_value_int(0)) | cfw_value_set(v, "stats", cfw_value_map())))
		return v;
	cfw_value_free(v);
	return NULL;
}

/* ---- all else ---- */

cfw_id cfw_stage_hook(struct cfw_gen *g, const struct cfw_hook_opts *opts, struct curfew_err *err)
{
	struct cfw_stage *st = g->stage;
	struct cfw_hook_opts staged = *opts;
	staged.staged = true;
	if (opts->server && !cfw_staged_of(st, opts->server)) {
		cfw_err_set(err, CURFEW_ENOENT, "no such server");
		return 0;
	}
	cfw_id id = 0;
	if (cfw_grow(&cfw_alloc_std, &st->hooks, &st->hooks_cap, st->nhooks + 1, sizeof *st->hooks))
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	else
		id = cfw_core_hook_add(g->c->core, &staged, err);
	if (id)
		st->hooks[st->nhooks++] = id;
	if (id && cfw_page_hook_room(g->c, id)) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return 0;
	}
	return id;
}

int cfw_stage_configure(struct cfw_gen *g, const struct cfw_value *conf, struct curfew_err *err)
{
	for (size_t i = 0; i < cfw_value_len(conf); i++)
		if (cfw_value_set(g->stage->conf, cfw_value_key(conf, i), cfw_value_copy(cfw_value_at(conf, i))))
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	cfw_configure_policy(g->c, conf, &g->config);
	cfw_policy_configure(g->policy, &g->config);
	return 0;
}

void cfw_stage_ruled(struct cfw_gen *g, int signo)
{
	if (signo > 0 && signo < 64)
		g->stage->ruled |= UINT64_C(1) << signo;
}

static struct cfw_deferred *defer(struct cfw_stage *st)
{
	if (cfw_grow(&cfw_alloc_std, &st->later, &st->later_cap, st->nlater + 1, sizeof *st->later))
		return NULL;
	struct cfw_deferred *d = &st->later[st->nlater++];
	*d = (struct cfw_deferred){0};
	return d;
}

int cfw_stage_trigger(struct cfw_gen *g, const struct cfw_trigger *t, const char *text, const char *traceback)
{
	char exits[64];
	switch (t->kind) {
	case CFW_T_ERROR:
	case CFW_T_REJECTION:
		cfw_stage_fail(g, text, traceback);
		return 0;
	case CFW_T_EXIT:
		snprintf(exits, sizeof exits, "the new policy called os.exit(%d) while it was loaded", t->code);
		cfw_stage_fail(g, exits, NULL);
		return 0;
	default:
		break;
	}
	struct cfw_deferred *d = defer(g->stage);
	if (!d)
		return CURFEW_ENOMEM;
	d->what = CFW_LATER_TRIGGER;
	d->trigger = *t;
	d->text = text ? strdup(text) : NULL;
	return 0;
}

int cfw_stage_request(struct cfw_gen *g, cfw_token token, enum cfw_request what, cfw_id server, bool flag,
		      struct curfew_err *err)
{
	struct cfw_deferred *d = defer(g->stage);
	if (!d)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	*d = (struct cfw_deferred){.what = CFW_LATER_REQUEST, .token = token, .request = what, .server = server, .flag = flag};
	g->stage->blocked += token != 0;
	return 0;
}

int cfw_stage_service(struct cfw_gen *g, cfw_token token, const char *name, const struct cfw_value *args,
		      struct curfew_err *err)
{
	struct cfw_deferred *d = defer(g->stage);
	if (!d)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	*d = (struct cfw_deferred){
		.what = CFW_LATER_SERVICE, .token = token, .text = strdup(name), .args = args ? cfw_value_copy(args) : NULL};
	return d->text && (d->args || !args) ? 0 : cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
}

void cfw_stage_cancel(struct cfw_gen *g, cfw_token token)
{
	struct cfw_stage *st = g->stage;
	for (size_t i = 0; i < st->nlater; i++)
		if (st->later[i].what != CFW_LATER_TRIGGER && st->later[i].token == token) {
			st->blocked -= st->later[i].what == CFW_LATER_REQUEST;
			free_deferred(&st->later[i]);
			st->later[i] = st->later[--st->nlater];
			return;
		}
}

void cfw_stage_source(struct cfw_gen *g, const char *key, const char *path, const char *src, size_t n)
{
	struct cfw_stage *st = g->stage;
	if (!g->c->opt.keep_source)
		return;
	struct cfw_staged_source s = {.key = strdup(key), .path = strdup(path), .src = malloc(n + 1), .n = n};
	if (!s.key || !s.path || !s.src ||
	    cfw_grow(&cfw_alloc_std, &st->sources, &st->sources_cap, st->nsources + 1, sizeof *st->sources)) {
		free(s.key);
		free(s.path);
		free(s.src);
		cfw_stage_fail(g, NULL, NULL);
		return;
	}
	memcpy(s.src, src, n);
	st->sources[st->nsources++] = s;
}
