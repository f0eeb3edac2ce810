/* curfew_request.c: what a policy asks of the core, a trigger or something it waits for, and who is answered when it is done. */
#define _GNU_SOURCE
#include "curfew_impl.h"

#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"

/* Its tasks are ended, and say something while they are. */
int cfw_gen_check(const struct cfw_gen *g, struct curfew_err *err)
{
	return g->refused ? cfw_err_set(err, CURFEW_ESTATE, "this policy was refused") : 0;
}

/* S2.13: a number for the name of a script's own trigger; 0 when there are too many to tell apart. */
static uint32_t custom_number(struct curfew *c, const char *name)
{
	uint32_t i = 0;
	while (i < c->ncustom && strcmp(c->custom[i], name) != 0)
		i++;
	if (i < c->ncustom)
		return i + 1;
	if (i == CFW_CUSTOMS || !(c->custom[i] = strdup(name)))
		return 0;
	return (uint32_t)++c->ncustom;
}

int cfw_raise_trigger(struct cfw_gen *g, const struct cfw_trigger *t, const char *text, const char *traceback)
{
	struct curfew *c = g->c;
	if (g->stage)
		return cfw_stage_trigger(g, t, text, traceback);
	if (g->refused)
		return 0;
	if (c->after == CFW_AFTER_LOADING) { /* a second time: it was decided on in the first */
		if (text)
			cfw_log_with(c->opt.log, CFW_WARN, text, "traceback", traceback, NULL);
		return 0;
	}
	bool failure = t->kind == CFW_T_ERROR || t->kind == CFW_T_REJECTION;
	if (failure && c->deactivated) { /* S3.5 */
		cfw_log_with(c->opt.log, CFW_ERROR, text ? text : "out of memory", "traceback", traceback, NULL);
		return 0;
	}
	if (failure && !c->start_asked) {
		/* S2.5, S3.7: before the first start this is a policy that does not load */
		cfw_log_with(c->opt.log, CFW_ERROR, text ? text : "the policy failed", "traceback", traceback, NULL);
		c->failed = true;
		cfw_wake(c);
		return 0;
	}
	struct cfw_event e = {.type = CFW_EV_TRIGGER, .trigger = *t};
	e.trigger.text = cfw_text_keep(c, text, traceback);
	if (t->kind == CFW_T_CUSTOM && text)
		e.trigger.custom = custom_number(c, text);
	cfw_inbox_put(c, &e);
	return 0;
}

/* ---- who waits ---- */

uint32_t cfw_asker_new(struct curfew *c, cfw_token token, curfew_answer_fn *fn, void *ud)
{
	if (cfw_grow(&cfw_alloc_std, &c->waiters, &c->waiters_cap, c->nwaiters + 1, sizeof *c->waiters))
		return 0;
	c->waiters[c->nwaiters++] = (struct cfw_waiter){++c->requests, token, fn, ud, CFW_ASKS, 0};
	return c->requests;
}

static void answer(struct curfew *c, const struct cfw_waiter *w, const struct cfw_value *value, const struct curfew_err *err)
{
	if (w->fn)
		w->fn(w->ud, value, err);
	else
		cfw_gens_answer(c, w->token, err ? NULL : value ? cfw_value_copy(value) : cfw_value_bool(true), err);
}

void cfw_waiter_answer(struct curfew *c, uint32_t request, const struct curfew_err *err)
{
	for (size_t i = 0; i < c->nwaiters; i++)
		if (c->waiters[i].request == request) {
			struct cfw_waiter w = c->waiters[i];
			if (w.what == CFW_ASKS_RELOAD && !err) { /* it was decided on; the answer is to come */
				c->waiters[i].what = CFW_AWAITS_RELOAD;
				c->waiters[i].build = c->builds + 1;
				return;
			}
			c->waiters[i] = c->waiters[--c->nwaiters];
			answer(c, &w, NULL, err);
			return;
		}
}

void cfw_waiters_answer_reload(struct curfew *c, const struct cfw_value *value, const struct curfew_err *err)
{
	for (size_t i = 0; i < c->nwaiters;) {
		struct cfw_waiter w = c->waiters[i];
		/* a script that asked too late for this build will not hear of the next: the swap ends what it has begun */
		if (w.what != CFW_AWAITS_RELOAD || (w.build > c->builds && (w.fn || err))) {
			i++;
			continue;
		}
		c->waiters[i] = c->waiters[--c->nwaiters];
		answer(c, &w, value, err);
		i = 0; /* it may have asked for something */
	}
}

/* ---- requests ---- */

/* What needs nobody else: true when it is done, or asked for, already. */
static bool request_of_own(struct cfw_gen *g, cfw_token token, enum cfw_request what)
{
	struct curfew *c = g->c;
	if (what == CFW_REQ_DEACTIVATE && c->opt.sandbox) {
		struct curfew_err err = {0};
		cfw_err_set(&err, CURFEW_EREFUSED, "curfew.deactivate is not allowed in the sandbox");
		cfw_policy_answer(g->policy, token, NULL, &err);
		return true;
	}
	if (what == CFW_REQ_DEACTIVATE) {
		if (!c->deactivated && c->opt.on_deactivate)
			c->opt.on_deactivate(c->opt.ud);
		c->deactivated = true;
		for (struct cfw_gen *each = c->gen; each; each = each->older)
			cfw_policy_deactivate(each->policy);
		cfw_policy_answer(g->policy, token, cfw_value_bool(true), NULL);
		return true;
	}
	if (c->after != CFW_AFTER_LOADING)
		return false;
	if (what == CFW_REQ_START || what == CFW_REQ_SERVER_START) {
		c->start_asked = true;
		if (!c->opt.crash->vain)
			cfw_policy_answer(g->policy, token, cfw_value_bool(true), NULL);
	}
	return true; /* anything else is not answered: its end is not for this process to see */
}

void cfw_note_start(struct curfew *c)
{
	c->start_asked = true;
	atomic_store(&c->page->loaded, 1);
}

int cfw_request(struct cfw_gen *g, cfw_token token, enum cfw_request what, cfw_id server, bool flag, struct curfew_err *err)
{
	struct curfew *c = g->c;
	if (g->stage)
		return cfw_stage_request(g, token, what, server, flag, err);
	int rc = cfw_gen_check(g, err);
	if (rc)
		return rc;
	if (request_of_own(g, token, what))
		return 0;
	struct cfw_event e = {.server = server};
	switch (what) {
	case CFW_REQ_START:
		e.type = CFW_EV_START;
		cfw_note_start(c);
		c->idle_off = false;
		break;
	case CFW_REQ_STOP:
		e.type = CFW_EV_TRIGGER;
		e.trigger.kind = CFW_T_STOP;
		e.trigger.no_exit = flag;
		c->idle_off |= flag;
		break;
	case CFW_REQ_RELOAD:
		e.type = CFW_EV_TRIGGER;
		e.trigger.kind = CFW_T_RELOAD;
		break;
	case CFW_REQ_SERVER_START:
		e.type = CFW_EV_SERVER_START;
		cfw_note_start(c);
		break;
	case CFW_REQ_SERVER_STOP:
		e.type = CFW_EV_SERVER_STOP;
		break;
	default:
		e.type = CFW_EV_SERVER_RESTART;
	}
	e.request = e.trigger.request = cfw_asker_new(c, token, NULL, NULL);
	if (!e.request)
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	if (what == CFW_REQ_RELOAD)
		c->waiters[c->nwaiters - 1].what = CFW_ASKS_RELOAD;
	cfw_inbox_put(c, &e);
	return 0;
}
