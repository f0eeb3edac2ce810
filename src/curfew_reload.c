/* curfew_reload.c: a new policy in the place of the old one (S7).
 *
 * A generation (struct cfw_gen) is one policy with its Lua state. One is in force; one may be being built; old ones end what they
 * have begun. A policy's ops have its generation as their ud, its tokens carry its number, a server's entry says whose functions
 * its definition and hooks are: so every answer finds its way, however late.
 *
 *   asked     a trigger, which a rule may refuse; the core refuses it during a stop, puts it off while starting, and makes one of
 *             those that overlap (S7.4). Who asked waits for the end of it. Asked for again while one is being built, which may have
 *             read its files before they changed, one more follows.
 *   building  a fresh policy loads what the first one loaded, read anew, in slices between other events, so that nobody waits for
 *             it. What it registers is checked by the very functions that check it otherwise and collected in a stage
 *             (curfew_stage.c): names and dependencies in a core of its own, servers opened by their kinds, which bind and start
 *             nothing. What it begins at top level waits (cfw_policy_stage). Whatever goes wrong ends here, and nothing has
 *             changed (S7.1).
 *   ready     each script has ended, or waits for what begins with the swap. If a server is just on its way up or down the swap
 *             waits for it.
 *   swap      between two events (curfew_swap.c). What may still fail comes first: sockets that new servers need are bound now,
 *             the host takes its part of the configuration. Then, without a way to fail: servers that are not in the new policy
 *             retire in the core; those that stay take their new definitions; new ones are committed, hooks, edges and rules
 *             exchanged; the old policy lets go of its timers and tasks, the new one begins what waited.
 *   after     the core starts what is new and stops what has retired, in the order that each needs: beside each other, or the old
 *             one first. Sockets of the same address are shared by both from the swap on. Retired servers keep their hooks, their
 *             generation's, and owe them in any stop (S4.12). A generation is freed when nothing of it is left; its requests and
 *             hooks have reload_grace, and no more than four generations have any.
 *
 * Definitions are compared without their functions. A server of kind "server" that runs is stopped by the functions that started
 * it, since they share state; its generation lives as long. */
#include "curfew_stage.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

/* How long the swap waits for servers that are on their way up or down. */
#define SETTLE (10 * CFW_SEC)

int cfw_reload(struct curfew *c, curfew_answer_fn *fn, void *ud, struct curfew_err *err)
{
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	if (c->ended || stop.running)
		return cfw_err_set(err, CURFEW_ESTATE, "a stop has begun: the policy that runs stays in force");
	struct cfw_trigger t = {.kind = CFW_T_RELOAD};
	if (fn) {
		t.request = cfw_asker_new(c, 0, fn, ud);
		if (!t.request)
			return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
		c->waiters[c->nwaiters - 1].what = CFW_ASKS_RELOAD;
	}
	return cfw_put_trigger(c, t);
}

/* ---- the end of one ---- */

static void refuse(struct curfew *c, const struct curfew_err *err)
{
	struct cfw_value *v = cfw_value_map();
	if (c->next)
		cfw_gen_refuse(c->next);
	cfw_log_at(c->opt.log, CFW_ERROR, "reload: refused, the policy that runs stays in force: %s", err->msg);
	if (!cfw_value_set(v, "error", cfw_value_str(err->msg)))
		cfw_policy_emit(c->policy, "reload_failed", v);
	cfw_value_free(v);
	cfw_waiters_answer_reload(c, NULL, err);
}

/* "reload: generation 2 is in force: 1 replaced, 3 unchanged", and a line for each server that is not as it was. */
static void log_changes(const struct curfew *c, const struct cfw_value *servers)
{
	static const char *const words[] = {"added", "removed", "replaced", "updated", "unchanged"};
	unsigned n[sizeof words / sizeof *words] = {0};
	struct cfw_buf b;
	for (size_t i = 0; i < cfw_value_len(servers); i++)
		for (size_t w = 0; w < sizeof words / sizeof *words; w++)
			n[w] += !strcmp(words[w], cfw_value_get_str(cfw_value_at(servers, i), "change", ""));
	cfw_buf_init(&b);
	cfw_buf_printf(&b, "reload: generation %u of the policy is in force:", c->gen->number);
	const char *comma = " ";
	for (size_t w = 0; w < sizeof words / sizeof *words; w++)
		if (n[w]) {
			cfw_buf_printf(&b, "%s%u %s", comma, n[w], words[w]);
			comma = ", ";
		}
	if (!cfw_value_len(servers))
		cfw_buf_puts(&b, " no servers");
	cfw_log_at(c->opt.log, CFW_INFO, "%s", b.data && !b.failed ? b.data : "reload: done");
	cfw_buf_clear(&b);
	for (size_t i = 0; i < cfw_value_len(servers); i++) {
		const struct cfw_value *s = cfw_value_at(servers, i);
		const char *change = cfw_value_get_str(s, "change", "?");
		cfw_log_at(c->opt.log, strcmp(change, "unchanged") ? CFW_INFO : CFW_DEBUG, "reload: %s: %s",
			   cfw_value_get_str(s, "name", "?"), change);
	}
}

static void succeed(struct curfew *c, struct cfw_value *servers)
{
	struct cfw_value *v = cfw_value_map();
	log_changes(c, servers);
	if (cfw_value_set(v, "generation", cfw_value_int(c->gen->number)) | cfw_value_set(v, "servers", servers)) {
		cfw_value_free(v);
		v = NULL;
	}
	cfw_policy_emit(c->policy, "reloaded", v);
	cfw_waiters_answer_reload(c, v, NULL);
	cfw_value_free(v);
}

/* ---- the build ---- */

static int begin_build(struct curfew *c, bool trial, struct curfew_err *err)
{
	struct cfw_policy_config config;
	cfw_policy_config_default(&config);
	cfw_configure_policy(c, NULL, &config);
	config.tried = trial;
	struct cfw_value *kept = cfw_policy_kept(c->policy, err);
	if (!kept)
		return CURFEW_EINVAL;
	struct cfw_gen *g = c->next = cfw_gen_new(c, &config, err);
	if (g)
		g->stage = cfw_stage_new(c);
	if (!g || !g->stage) {
		cfw_value_free(kept);
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	}
	struct cfw_stage *st = g->stage;
	st->kept = kept;
	cfw_policy_stage(g->policy);
	int rc = cfw_policy_keep(g->policy, kept) ? cfw_err_set(err, CURFEW_ENOMEM, "out of memory") : 0;
	if (!rc && trial)
		return cfw_trial_load(g, err);
	for (size_t i = 0; !rc && i < c->nloads; i++) {
		rc = cfw_load_again(g, &c->loads[i], err);
		st->queued += i > 0;
		st->loading++;
	}
	return rc;
}

/* Nothing of it will move before the swap. */
static bool is_ready(struct curfew *c)
{
	struct cfw_stage *st = c->next->stage;
	if (st->loading - st->queued > st->blocked)
		return false;
	if (!st->queued)
		return true;
	st->queued--;
	cfw_policy_load_next(c->next->policy);
	return false;
}

/* 0 when the moment has come, 1 when it has not, or a reason. */
static int wait_settled(struct curfew *c, struct curfew_err *err)
{
	struct cfw_stage *st = c->next->stage;
	struct cfw_server_view v = {.name = "the start"};
	cfw_id who;
	if (cfw_core_settled(c->core, &who))
		return 0;
	if (!st->settled_by)
		st->settled_by = cfw_time_add(cfw_now(c), SETTLE);
	if (cfw_now(c) < st->settled_by)
		return 1;
	if (who)
		cfw_core_server_view(c->core, who, &v);
	return cfw_err_set(err, CURFEW_ETIMEOUT, "%s is still %s", v.name, who ? cfw_server_state_name(v.state) : "under way");
}

static int go_on(struct curfew *c, struct cfw_value **what, struct curfew_err *err)
{
	const struct cfw_stage *st = c->next->stage;
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	if (stop.running)
		return cfw_err_set(err, CURFEW_ESTATE, "a stop has begun");
	if (st->failed.code) {
		*err = st->failed;
		return err->code;
	}
	if (!is_ready(c)) {
		if (cfw_now(c) < st->until_ns)
			return 1;
		return cfw_err_set(err, CURFEW_ETIMEOUT,
				   "the new policy was not loaded within start_timeout: it still waits for something");
	}
	int rc = st->trial ? 0 : wait_settled(c, err);
	return rc || st->trial ? rc : cfw_swap(c, what, err);
}

void cfw_reload_step(struct curfew *c)
{
	struct curfew_err err = {0};
	struct cfw_value *what = NULL;
	int rc = 0;
	if (c->spent)
		cfw_stage_free(c, c->spent);
	c->spent = NULL;
	if (c->ended || (!c->reload_asked && !c->next && !c->trial))
		return;
	bool trial = c->next ? c->next->stage->trial : !c->reload_asked;
	if (!c->next && trial) {
		rc = begin_build(c, true, &err);
	} else if (!c->next) {
		if (c->opt.on_reload)
			c->opt.on_reload(c->opt.ud, CURFEW_RELOAD_BEGINS);
		c->reload_asked = false;
		c->builds++;
		rc = begin_build(c, false, &err);
	}
	if (!rc)
		rc = go_on(c, &what, &err);
	if (trial) {
		if (rc < 0 && c->next && cfw_policy_held_back(c->next->policy))
			rc = 0; /* as far as that it is well */
		if (rc <= 0 && c->next)
			cfw_gen_refuse(c->next);
		if (rc <= 0)
			cfw_trial_end(c, rc ? &err : NULL);
		return;
	}
	if (rc < 0) {
		cfw_value_free(what);
		refuse(c, &err);
	} else if (rc == 0) {
		succeed(c, what);
	}
	if (rc <= 0 && c->opt.on_reload)
		c->opt.on_reload(c->opt.ud, rc ? CURFEW_RELOAD_REFUSED : CURFEW_RELOAD_DONE);
}

uint64_t cfw_reload_deadline(const struct curfew *c)
{
	if (!c->next)
		return c->reload_asked || c->trial || c->spent ? 0 : CFW_NEVER;
	const struct cfw_stage *st = c->next->stage;
	return st->settled_by ? st->settled_by : st->until_ns;
}
