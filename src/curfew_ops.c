/* curfew_ops.c: what policy asks for (struct cfw_policy_ops), carried to the core, the host and the embedder. */
#define _GNU_SOURCE
#include "curfew_embed.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"

/* Of one that a reload has replaced, or is trying: what it may not do (any more). */
static int check_in_force(const struct cfw_gen *g, struct curfew_err *err)
{
	return g == g->c->gen ? 0 : cfw_err_set(err, CURFEW_ESTATE, "a reload has replaced this policy");
}

static struct curfew *instance(void *ud)
{
	return ((struct cfw_gen *)ud)->c;
}

static uint64_t op_now(void *ud)
{
	return cfw_now(instance(ud));
}

static const struct cfw_log *op_log(void *ud)
{
	const struct curfew *c = instance(ud);
	return c->after == CFW_AFTER_LOADING ? &c->quiet : c->opt.log;
}

static void op_wake(void *ud)
{
	cfw_wake(instance(ud));
}

static cfw_id op_server_new(void *ud, const struct cfw_value *def, struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	if (cfw_sandbox_server(g->c, def, err))
		return 0;
	if (g->stage)
		return cfw_stage_server(g, def, err);
	return check_in_force(g, err) ? 0 : cfw_entry_new(g->c, def, err);
}

static int op_server_after(void *ud, cfw_id server, cfw_id on, struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	if (g->stage)
		return cfw_stage_after(g, server, on, err);
	int rc = check_in_force(g, err);
	return rc ? rc : cfw_core_server_after(g->c->core, server, on, err);
}

static cfw_id op_server_find(void *ud, const char *name)
{
	struct cfw_gen *g = ud;
	return g->stage ? cfw_stage_find(g, name) : cfw_core_server_find(g->c->core, name);
}

static cfw_id op_hook_new(void *ud, const struct cfw_hook_opts *opts, struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	if (g->stage)
		return cfw_stage_hook(g, opts, err);
	cfw_id id = check_in_force(g, err) ? 0 : cfw_core_hook_add(g->c->core, opts, err);
	if (id && cfw_page_hook_room(g->c, id) == 0) {
		cfw_page_place_hook(g->c, g, id);
		cfw_page_note_hook(g->c, id);
	}
	return id;
}

struct cfw_value *curfew_server_info(const struct curfew *c, cfw_id server, bool with_stats)
{
	struct cfw_server_view view;
	const struct cfw_entry *s = cfw_entry_get(c, server);
	if (!s || cfw_core_server_view(c->core, server, &view))
		return NULL;
	struct cfw_value *v = cfw_value_map();
	int bad = cfw_value_set(v, "name", cfw_value_str(view.name)) | cfw_value_set(v, "kind", cfw_value_str(view.kind)) |
		  cfw_value_set(v, "state", cfw_value_str(cfw_server_state_name(view.state))) |
		  cfw_value_set(v, "restarts", cfw_value_int(view.restarts));
	const char *address = s->kind->address ? s->kind->address(s->srv) : NULL;
	int pid = s->kind->pid ? s->kind->pid(s->srv) : 0;
	char before[CFW_PAGE_ADDRESS];
	if (c->after && cfw_after_server(c, server, &pid, before))
		address = *before ? before : NULL;
	if (address)
		bad |= cfw_value_set(v, "address", cfw_value_str(address));
	if (pid)
		bad |= cfw_value_set(v, "pid", cfw_value_int(pid));
	if (with_stats) {
		struct cfw_value *stats = s->kind->stats ? s->kind->stats(s->srv) : cfw_value_map();
		if (s->kind->takes_requests) {
			uint64_t errors, limits;
			cfw_policy_request_counts(cfw_gen_of(c, server)->policy, server, &errors, &limits);
			bad |= cfw_value_set(stats, "errors", cfw_value_int((int64_t)errors)) |
			       cfw_value_set(stats, "limits", cfw_value_int((int64_t)limits));
		}
		bad |= cfw_value_set(v, "stats", stats);
	}
	if (bad) {
		cfw_value_free(v);
		return NULL;
	}
	return v;
}

static struct cfw_value *op_server_info(void *ud, cfw_id server, bool with_stats)
{
	const struct cfw_gen *g = ud;
	if (g->stage && !cfw_entry_get(g->c, server))
		return cfw_stage_info(g, server);
	return curfew_server_info(g->c, server, with_stats);
}

static int op_configure(void *ud, const struct cfw_value *conf, struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	int rc = cfw_sandbox_configure(g->c, conf, err);
	if (rc)
		return rc;
	if (g->stage)
		return cfw_stage_configure(g, conf, err);
	rc = check_in_force(g, err);
	return rc ? rc : cfw_configure(g->c, conf, false, err);
}

static int op_rule_added(void *ud, enum cfw_trigger_kind kind, int signo, struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	struct curfew *c = g->c;
	if (g->stage) {
		if (kind == CFW_T_SIGNAL)
			cfw_stage_ruled(g, signo);
		return 0;
	}
	int rc = check_in_force(g, err);
	if (rc)
		return rc;
	if (kind == CFW_T_SIGNAL && signo > 0 && signo < 64)
		c->ruled |= UINT64_C(1) << signo;
	cfw_own_ruled(c, signo);
	if (kind != CFW_T_SIGNAL || !c->opt.on_signal_rule || c->deactivated)
		return 0;
	return c->opt.on_signal_rule(c->opt.ud, signo, err);
}

bool curfew_signal_has_rule(const struct curfew *c, int signo)
{
	return signo > 0 && signo < 64 && c->ruled >> signo & 1;
}

static int op_trigger(void *ud, const struct cfw_trigger *t, const char *text, const char *traceback)
{
	const struct curfew *c = instance(ud);
	struct curfew_err err = {0};
	int rc = cfw_sandbox_steer(c, t->kind, &err);
	if (rc)
		cfw_log_at(c->opt.log, CFW_WARN, "%s", err.msg);
	return rc ? rc : cfw_raise_trigger(ud, t, text, traceback);
}

static int op_request(void *ud, cfw_token token, enum cfw_request what, cfw_id server, bool flag, struct curfew_err *err)
{
	return cfw_request(ud, token, what, server, flag, err);
}

static int op_service(void *ud, cfw_token token, const char *name, const struct cfw_value *args, struct curfew_err *err)
{
	int rc = cfw_gen_check(ud, err);
	return rc ? rc : cfw_service_begin(instance(ud), token, name, args, err);
}

static int op_service_later(void *ud, cfw_token token, const char *name, const struct cfw_value *args, struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	return g->stage ? cfw_stage_service(g, token, name, args, err) : op_service(ud, token, name, args, err);
}

static void op_cancel(void *ud, cfw_token token)
{
	struct cfw_gen *g = ud;
	struct curfew *c = g->c;
	if (g->stage)
		cfw_stage_cancel(g, token);
	cfw_service_cancel(c, token);
	for (size_t i = 0; i < c->nwaiters; i++)
		if (!c->waiters[i].fn && c->waiters[i].token == token) {
			c->waiters[i] = c->waiters[--c->nwaiters];
			break;
		}
}

int cfw_hook_extend(struct curfew *c, uint32_t run, uint64_t ns, struct curfew_err *err)
{
	struct cfw_event e = {.type = CFW_EV_EXTEND, .run = run, .ns = ns};
	int rc = cfw_core_feed(c->core, cfw_now(c), &e);
	cfw_wake(c);
	return rc ? cfw_err_set(err, rc,
				"refused: no graceful stop runs, its margin has come, or it is at max_exit_timeout already")
		  : 0;
}

static int op_extend(void *ud, uint32_t run, uint64_t ns, struct curfew_err *err)
{
	return cfw_hook_extend(instance(ud), run, ns, err);
}

static int op_steer(void *ud, cfw_token token, const struct cfw_trigger *t, struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	int rc = g->stage || g->refused ? cfw_err_set(err, CURFEW_ESTATE, "not before the new policy is in force")
					: cfw_gen_check(g, err);
	if (!rc)
		rc = cfw_sandbox_steer(g->c, t->kind, err);
	return rc ? rc : cfw_steer_put(g->c, t, token, NULL, NULL, err);
}

void cfw_hook_begins(struct curfew *c, uint32_t run)
{
	cfw_page_mark(c->page, cfw_page_hook_mark(c, run)); /* whoever looks at the page never begins it twice (S4.12) */
}

static void op_hook_begins(void *ud, uint32_t run)
{
	cfw_hook_begins(instance(ud), run);
}

static void op_keep_source(void *ud, const char *key, const char *path, const char *src, size_t n)
{
	struct cfw_gen *g = ud;
	const struct curfew *c = g->c;
	if (g->stage)
		cfw_stage_source(g, key, path, src, n);
	else if (c->opt.keep_source && g == c->gen)
		c->opt.keep_source(c->opt.ud, key, path, src, n);
}

static void op_on_source(void *ud, const char *path)
{
	const struct cfw_gen *g = ud;
	if (g->c->opt.on_source && !g->config.tried)
		g->c->opt.on_source(g->c->opt.ud, path);
}

static const char *op_find_source(void *ud, const char *key, const char **path, size_t *n)
{
	const struct curfew *c = instance(ud);
	return c->opt.find_source ? c->opt.find_source(c->opt.ud, key, path, n) : NULL;
}

static int op_open_source(void *ud, const char *path, bool module)
{
	const struct curfew *c = instance(ud);
	return cfw_host_open_source(c->host, path, module);
}

static uint64_t op_hook_until(void *ud, uint32_t run)
{
	const struct curfew *c = instance(ud);
	return cfw_core_run_until(c->core, run);
}

static bool op_stop_cause(void *ud, enum cfw_mode *mode, struct cfw_trigger *t, const char **text, const char **traceback)
{
	const struct curfew *c = instance(ud);
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	if (!stop.running)
		return false;
	const struct cfw_text *kept = cfw_text_find(c, stop.first.text);
	*mode = stop.mode;
	*t = stop.first;
	*text = kept ? kept->text : NULL;
	*traceback = kept ? kept->traceback : NULL;
	return true;
}

static uint64_t op_start_until(void *ud, cfw_id server)
{
	const struct cfw_entry *s = cfw_entry_get(instance(ud), server);
	return s ? s->until_ns : CFW_NEVER;
}

static void op_cut(void *ud)
{
	struct cfw_event e = {.type = CFW_EV_CUT};
	cfw_inbox_put(instance(ud), &e);
}

void cfw_hook_ends(struct curfew *c, uint32_t run, enum cfw_outcome outcome, int code, const char *text, const char *traceback)
{
	struct cfw_event e = {.type = CFW_EV_HOOK_DONE, .run = run, .outcome = outcome, .code = code};
	e.text = cfw_text_keep(c, text, traceback);
	cfw_page_mark_end(c->page, cfw_page_hook_mark(c, run));
	cfw_inbox_put(c, &e); /* first: who is told may call exit(3) */
	if (outcome == CFW_FAILED || outcome == CFW_CUT)
		cfw_log_with(c->opt.log, CFW_ERROR, text ? text : "a hook failed", "traceback", traceback, NULL);
}

static void op_hook_done(void *ud, uint32_t run, enum cfw_outcome outcome, int code, const char *text, const char *traceback)
{
	cfw_hook_ends(instance(ud), run, outcome, code, text, traceback);
}

static struct cfw_decision op_rule(void *ud, const struct cfw_trigger *t, const char *text)
{
	return cfw_host_ask(instance(ud), t, text);
}

/* What comes behind curfew.start() in a policy that a reload has put in force: a broken edit does not take down what runs. */
static void half_loaded(struct curfew *c, const struct curfew_err *err)
{
	struct cfw_value *v = cfw_value_map();
	cfw_log_at(c->opt.log, CFW_ERROR,
		   "reload: the rest of the policy was not run; generation %u is in force, with what came before",
		   c->gen->number);
	if (!cfw_value_set(v, "error", cfw_value_str(err->msg)))
		cfw_policy_emit(c->policy, "reload_failed", v);
	cfw_value_free(v);
}

static void op_loaded(void *ud, const struct curfew_err *err)
{
	struct cfw_gen *g = ud;
	struct curfew *c = g->c;
	if (g->stage) {
		cfw_stage_loaded(g, err);
		return;
	}
	if (g != c->gen)
		return;
	if (c->loading)
		c->loading--;
	if (err) {
		cfw_log_at(c->opt.log, CFW_ERROR, "%s", err->msg);
		if (c->after) {
			/* the hooks that it has registered are run */
		} else if (!c->start_asked) {
			c->failed = true;
		} else if (g->number > 1) {
			half_loaded(c, err);
		} else {
			struct cfw_event e = {.type = CFW_EV_TRIGGER, .trigger = {.kind = CFW_T_ERROR}};
			e.trigger.text = cfw_text_keep(c, err->msg, NULL);
			cfw_inbox_put(c, &e);
		}
	}
	cfw_wake(c);
}

static bool op_leader(void *ud)
{
	const struct curfew *c = instance(ud);
	return !c->embed || !c->embed->opt.leader || c->embed->opt.leader(c->embed->opt.ud);
}

static const char *op_life(void *ud)
{
	const struct curfew *c = instance(ud);
	return cfw_life_name(cfw_core_life(c->core));
}

static const char *op_socket(void *ud, const char *key)
{
	(void)ud;
	(void)key;
	return NULL;
}

const struct cfw_policy_ops cfw_curfew_policy_ops = {
	.now_ns = op_now,
	.log = op_log,
	.wake = op_wake,
	.server_new = op_server_new,
	.server_after = op_server_after,
	.server_find = op_server_find,
	.hook_new = op_hook_new,
	.server_info = op_server_info,
	.configure = op_configure,
	.rule_added = op_rule_added,
	.trigger = op_trigger,
	.request = op_request,
	.service = op_service,
	.service_later = op_service_later,
	.cancel = op_cancel,
	.extend = op_extend,
	.steer = op_steer,
	.hook_until = op_hook_until,
	.hook_begins = op_hook_begins,
	.keep_source = op_keep_source,
	.find_source = op_find_source,
	.rule = op_rule,
	.on_source = op_on_source,
	.open_source = op_open_source,
	.stop_cause = op_stop_cause,
	.start_until = op_start_until,
	.cut = op_cut,
	.hook_done = op_hook_done,
	.loaded = op_loaded,
	.leader = op_leader,
	.life = op_life,
	.socket = op_socket,
};
