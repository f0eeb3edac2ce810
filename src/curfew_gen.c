/* curfew_gen.c: generations of the policy: the one in force, the one that is built, and the old ones, which end what they have
 * begun: in time, and not too many of them (S7.3). */
#include "curfew_impl.h"

#include <stdlib.h>

#include "base/log.h"

enum { OLD_AT_MOST = 4 }; /* that still work for requests or hooks; one more, and the oldest is cut */

static bool has_tag(const struct curfew *c, unsigned tag)
{
	for (const struct cfw_gen *g = c->gen; g; g = g->older)
		if (g->tag == tag)
			return true;
	return false;
}

struct cfw_gen *cfw_gen_new(struct curfew *c, const struct cfw_policy_config *config, struct curfew_err *err)
{
	struct cfw_gen *g = calloc(1, sizeof *g);
	if (!g) {
		cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		return NULL;
	}
	*g = (struct cfw_gen){.c = c, .number = c->generations + 1, .config = *config, .since_ns = cfw_now(c)};
	g->config.alloc = c->opt.alloc;
	g->policy = cfw_policy_new(&cfw_curfew_policy_ops, g, c->page, &g->config, err);
	if (!g->policy) {
		free(g);
		return NULL;
	}
	c->generations++;
	for (g->tag = g->number & 255; has_tag(c, g->tag); g->tag = (g->tag + 1) & 255)
		; /* one that a server pins may be old */
	cfw_policy_tag(g->policy, g->tag);
	return g;
}

void cfw_gen_free(struct cfw_gen *g)
{
	if (!g)
		return;
	cfw_policy_free(g->policy);
	if (g->stage)
		cfw_stage_free(g->c, g->stage);
	free(g);
}

void cfw_gen_refuse(struct cfw_gen *g)
{
	struct curfew *c = g->c;
	c->next = NULL;
	g->refused = g->withering = g->cut = true;
	if (g->stage)
		cfw_stage_free(c, g->stage);
	g->stage = NULL;
	g->older = c->gen->older;
	c->gen->older = g;
}

struct cfw_gen *cfw_gen_of(const struct curfew *c, cfw_id server)
{
	const struct cfw_entry *s = cfw_entry_get(c, server);
	return s ? s->gen : c->gen;
}

static struct cfw_gen *next_gen(const struct curfew *c, const struct cfw_gen *g)
{
	return g == c->next ? c->gen : g->older;
}

/* All of them, the newest first. */
static struct cfw_gen *first_gen(const struct curfew *c)
{
	return c->next ? c->next : c->gen;
}

void cfw_gens_answer(struct curfew *c, cfw_token token, struct cfw_value *value, const struct curfew_err *err)
{
	for (struct cfw_gen *g = first_gen(c); g; g = next_gen(c, g))
		if (g->tag == cfw_token_tag(token)) {
			cfw_policy_answer(g->policy, token, value, err);
			return;
		}
	cfw_value_free(value);
}

void cfw_gens_gone(struct curfew *c, struct cfw_exchange *x)
{
	for (struct cfw_gen *g = c->gen; g; g = g->older)
		cfw_policy_gone(g->policy, x); /* whose it is not, does nothing */
}

bool cfw_gens_busy(const struct curfew *c)
{
	for (const struct cfw_gen *g = c->gen; g; g = g->older)
		if (g == c->gen ? cfw_policy_busy(g->policy) : cfw_policy_use(g->policy) & CFW_USE_WORK)
			return true;
	return c->next && !c->next->config.tried;
}

/* ---- the end of an old one ---- */

static bool owns_servers(const struct curfew *c, const struct cfw_gen *g)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i].id && c->servers[i].gen == g)
			return true;
	return false;
}

bool cfw_gen_stops_servers(const struct curfew *c, const struct cfw_gen *g)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i].id && c->servers[i].gen == g && c->servers[i].retired)
			return true;
	return false;
}

static void cut(struct cfw_gen *g, const char *why)
{
	size_t n = cfw_policy_cut(g->policy);
	g->cut = true;
	cfw_log_at(g->c->opt.log, CFW_WARN, "reload: generation %u of the policy %s: %zu of its requests and hooks are cut off",
		   g->number, why, n);
}

void cfw_gens_limit(struct curfew *c)
{
	unsigned n = 0;
	for (struct cfw_gen *g = c->gen->older; g; g = g->older)
		if (!g->cut && cfw_policy_use(g->policy) & CFW_USE_WORK && ++n > OLD_AT_MOST)
			cut(g, "is one of too many that still work");
}

static bool is_late(const struct cfw_gen *g)
{
	return !g->c->ended && cfw_now(g->c) >= cfw_time_add(g->since_ns, g->c->reload_grace_ns);
}

void cfw_gens_step(struct curfew *c)
{
	uint64_t now = cfw_now(c);
	if (c->next && cfw_policy_deadline(c->next->policy) <= now)
		cfw_policy_step(c->next->policy, now);
	for (struct cfw_gen **at = &c->gen->older, *g; (g = *at);) {
		if (!g->withering && cfw_policy_deadline(g->policy) <= now)
			cfw_policy_step(g->policy, now);
		unsigned use = g->withering ? 0 : cfw_policy_use(g->policy);
		if (use & CFW_USE_WORK && !g->cut && is_late(g))
			cut(g, "has had its time");
		g->withering = g->withering || !(use || owns_servers(c, g));
		if (!g->withering || !cfw_policy_wither(g->policy)) {
			at = &g->older;
			continue;
		}
		*at = g->older;
		if (!g->refused)
			cfw_log_at(c->opt.log, CFW_DEBUG, "reload: generation %u of the policy is over", g->number);
		cfw_gen_free(g);
	}
}

uint64_t cfw_gens_deadline(const struct curfew *c)
{
	uint64_t at = CFW_NEVER;
	for (const struct cfw_gen *g = first_gen(c); g; g = next_gen(c, g)) {
		at = cfw_time_min(at, g->withering ? 0 : cfw_policy_deadline(g->policy));
		if (g != c->next && g != c->gen && !g->cut && cfw_policy_use(g->policy) & CFW_USE_WORK)
			at = cfw_time_min(at, cfw_time_add(g->since_ns, c->reload_grace_ns));
	}
	return at;
}

/* ---- for who wants to see them ---- */

static struct cfw_value *describe(const struct curfew *c, const struct cfw_gen *g)
{
	struct cfw_value *v = cfw_value_map();
	const char *state = g == c->next ? "building" : g == c->gen ? "current" : "old";
	int bad = cfw_value_set(v, "generation", cfw_value_int(g->number)) | cfw_value_set(v, "state", cfw_value_str(state)) |
		  cfw_value_set(v, "age_ns", cfw_value_int((int64_t)cfw_time_left(g->since_ns, cfw_now(c)))) |
		  cfw_value_set(v, "tasks", cfw_value_int((int64_t)cfw_policy_tasks(g->policy))) |
		  cfw_value_set(v, "memory", cfw_value_int((int64_t)cfw_policy_memory(g->policy)));
	if (!bad)
		return v;
	cfw_value_free(v);
	return NULL;
}

struct cfw_value *curfew_generations(const struct curfew *c)
{
	struct cfw_value *list = cfw_value_list();
	for (const struct cfw_gen *g = c->gen ? first_gen(c) : NULL; g; g = next_gen(c, g))
		if (cfw_value_push(list, describe(c, g))) {
			cfw_value_free(list);
			return NULL;
		}
	return list;
}
