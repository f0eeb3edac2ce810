#include "curfew_embed.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"

static void ask(struct curfew *c, const struct cfw_action *a)
{
	const struct cfw_text *text = cfw_text_find(c, a->trigger.text);
	struct cfw_event e = {.type = CFW_EV_DECISION, .question = a->question};
	if (c->exit_inside && a->trigger.kind == CFW_T_EXIT)
		e.decision = (struct cfw_decision){CFW_D_ABORT, a->trigger.code};
	else
		e.decision = cfw_sandbox_decision(
			c, &a->trigger,
			cfw_policy_ask(c->policy, &a->trigger, text ? text->text : NULL, text ? text->traceback : NULL));
	if (a->trigger.kind == CFW_T_SIGNAL)
		e.signo = a->trigger.signo; /* counted as decided when it is fed */
	cfw_inbox_put(c, &e);
}

void cfw_hook_text(const struct curfew *c, const struct cfw_hook_view *h, char *out, size_t n)
{
	static const char *const phases[] = {"pre_start", "post_start", "pre_stop", "post_stop"};
	struct cfw_server_view server = {.name = "curfew"};
	cfw_core_server_view(c->core, h->server, &server);
	snprintf(out, n, "%s of %.80s%s%.60s%s (%.60s)", phases[h->phase], server.name, h->name ? " \"" : "",
		 h->name ? h->name : "", h->name ? "\"" : "", h->where ? h->where : "?");
}

static void call_hook(struct curfew *c, const struct cfw_action *a)
{
	struct cfw_hook_view hook;
	struct cfw_stop_view stop;
	char what[256];
	if (cfw_core_hook_view(c->core, a->hook, &hook))
		return;
	cfw_core_stop_view(c->core, &stop);
	cfw_hook_text(c, &hook, what, sizeof what);
	const struct cfw_text *text = stop.running ? cfw_text_find(c, stop.first.text) : NULL;
	const struct cfw_entry *s = cfw_entry_get(c, a->server);
	struct cfw_hook_call call = {
		.run = a->run,
		.ref = hook.ref,
		.server = a->server,
		.phase = a->phase,
		.mode = a->mode,
		.trigger = stop.running ? stop.first : (struct cfw_trigger){.kind = CFW_T_KINDS},
		.text = text ? text->text : NULL,
		.traceback = text ? text->traceback : NULL,
		.deadline_ns = a->deadline_ns,
		.began_ns = stop.running ? stop.began_ns : cfw_now(c),
		.result = a->phase == CFW_POST_STOP && s ? s->result : NULL,
		.what = what,
		.hurried = stop.running && a->phase >= CFW_PRE_STOP && stop.hurried,
	};
	if (hook.ref & CFW_REF_HOST)
		cfw_host_hook_call(c, &call);
	else
		cfw_policy_call(cfw_gen_of(c, a->server)->policy, &call);
}

static void cut_hook(struct curfew *c, const struct cfw_action *a)
{
	struct cfw_hook_view hook;
	if (cfw_core_hook_view(c->core, a->hook, &hook) == 0 && hook.ref & CFW_REF_HOST)
		cfw_host_hook_cut(c, a->hook, a->run);
	else
		cfw_policy_call_cancel(cfw_gen_of(c, a->server)->policy, a->run);
}

/* A new life of a server: its hooks may be begun again, and the global ones that this life has not had yet (S3.4). */
static void clear_marks(struct curfew *c, cfw_id server)
{
	struct cfw_hook_view hook;
	for (cfw_id id = 0; (id = cfw_core_hook_next(c->core, id));)
		if (cfw_core_hook_view(c->core, id, &hook) == 0 && (hook.server == server || (!hook.server && !hook.run)))
			cfw_page_unmark(c->page, cfw_page_hook_mark(c, id));
}

static void start_server(struct curfew *c, const struct cfw_action *a)
{
	struct cfw_entry *s = cfw_entry_get(c, a->server);
	if (!s)
		return;
	if (s->result)
		clear_marks(c, a->server);
	s->result = NULL;
	s->until_ns = a->deadline_ns;
	s->kind->start(s->srv, a->attempt);
}

static void stop_server(struct curfew *c, const struct cfw_action *a)
{
	const struct cfw_entry *s = cfw_entry_get(c, a->server);
	if (!s)
		return;
	struct cfw_stop_view view;
	cfw_core_stop_view(c->core, &view);
	struct cfw_stop stop = {.attempt = a->attempt,
				.hurried = view.running && view.hurried,
				.deadline_ns = a->deadline_ns,
				.signo = view.running && view.first.kind == CFW_T_SIGNAL ? view.first.signo : 0};
	s->kind->stop(s->srv, &stop);
}

void curfew_emit(struct curfew *c, const char *event, const struct cfw_value *value)
{
	for (struct cfw_gen *g = c->gen; g; g = g->older)
		cfw_policy_emit(g->policy, event, value);
}

static void tell_lame(struct curfew *c)
{
	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i].id && c->servers[i].kind->lame)
			c->servers[i].kind->lame(c->servers[i].srv);
	if (c->opt.on_lame)
		c->opt.on_lame(c->opt.ud);
	cfw_policy_hurry(c->policy);
	curfew_emit(c, "stopping", NULL);
}

/* Hooks that are owed anew: whoever looks at the page sees none of them begun. */
static void tell_unlame(struct curfew *c)
{
	struct cfw_hook_view hook;
	for (cfw_id id = 0; (id = cfw_core_hook_next(c->core, id));)
		if (cfw_core_hook_view(c->core, id, &hook) == 0 && hook.phase == CFW_PRE_STOP && !hook.run)
			cfw_page_unmark(c->page, cfw_page_hook_mark(c, id));
	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i].id && c->servers[i].kind->unlame)
			c->servers[i].kind->unlame(c->servers[i].srv);
	c->idle_off = false; /* stop{ exit = false } was not */
	if (c->opt.on_unlame)
		c->opt.on_unlame(c->opt.ud);
	for (struct cfw_gen *g = c->gen; g; g = g->older)
		cfw_policy_emit(g->policy, "cancelled", NULL);
}

static void tell_steered(struct curfew *c, bool hurry)
{
	struct cfw_stop_view stop;
	struct cfw_server_view v;
	cfw_core_stop_view(c->core, &stop);
	for (struct cfw_gen *g = c->gen; g; g = g->older)
		cfw_policy_steer(g->policy, stop.hurried, stop.cancelling);
	for (size_t i = 0; i < c->nservers && hurry; i++)
		if (c->servers[i].id && c->servers[i].kind->hurry && cfw_core_server_view(c->core, c->servers[i].id, &v) == 0 &&
		    v.state == CFW_S_STOPPING)
			c->servers[i].kind->hurry(c->servers[i].srv);
}

static int code_of(enum cfw_refusal why)
{
	switch (why) {
	case CFW_R_RULE:
		return CURFEW_EREFUSED;
	case CFW_R_NO_SERVER:
		return CURFEW_ENOENT;
	case CFW_R_CANCELED:
		return CURFEW_ECANCELED;
	default:
		return CURFEW_ESTATE;
	}
}

static void reply(struct curfew *c, const struct cfw_action *a)
{
	if (a->request == c->start_request && a->request)
		c->start_request = 0;
	if (a->outcome == CFW_OK) {
		cfw_waiter_answer(c, a->request, NULL);
		return;
	}
	struct curfew_err err = {0};
	struct cfw_server_view server = {.name = NULL};
	const struct cfw_text *text = cfw_text_find(c, a->text);
	cfw_core_server_view(c->core, a->server, &server);
	if (a->why) {
		cfw_err_set(&err, code_of(a->why), "%s%s%s", server.name ? server.name : "", server.name ? ": " : "",
			    cfw_refusal_text(a->why));
		cfw_waiter_answer(c, a->request, &err);
		return;
	}
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	bool overtaken = a->outcome == CFW_CUT && stop.running; /* a start of all has no name */
	cfw_err_set(&err,
		    overtaken               ? CURFEW_ECANCELED
		    : a->outcome == CFW_CUT ? CURFEW_ETIMEOUT
					    : CURFEW_ESTATE,
		    "%s%s%s", server.name ? server.name : "", server.name ? ": " : "",
		    text && text->text      ? text->text
		    : overtaken             ? "a stop of all has come in between"
		    : a->outcome == CFW_CUT ? "passed its time"
		    : server.name           ? "not ready in time"
					    : "failed");
	if (text && text->code) {
		err.code = text->code;
		err.sys_errno = text->sys_errno;
	}
	cfw_waiter_answer(c, a->request, &err);
}

/* What is asked for, or goes wrong, when the core has ended: the code still counts it (S4.3). */
static int look_at_rest(struct curfew *c, int code)
{
	for (; c->inbox_at < c->inbox_n; c->inbox_at++) {
		const struct cfw_trigger *t = &c->inbox[c->inbox_at].trigger;
		int more = 0;
		if (c->inbox[c->inbox_at].type != CFW_EV_TRIGGER)
			continue;
		if (t->kind == CFW_T_EXIT)
			more = t->code;
		if (t->kind == CFW_T_ERROR || t->kind == CFW_T_REJECTION) {
			const char *text = curfew_text(c, t->text);
			cfw_log_at(c->opt.log, CFW_ERROR, "uncaught error: %s", text ? text : "?");
			more = 1;
		}
		if (more > code)
			cfw_log_at(c->opt.log, CFW_WARN, "exit %d, asked for at the end", code = more);
	}
	return code;
}

/* Who was answered last, or waits to hear of the stop, goes on once before the end (S3.2), if there is time: when the core has ended
 * nothing holds the process up any more. A callback is a step later than its answer. */
static int last_word(struct curfew *c, int code)
{
	enum { STEPS = 3 };
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	uint64_t until = cfw_time_min(cfw_time_add(cfw_now(c), 100 * CFW_MS), stop.margin_ns);
	for (int i = 0; i < STEPS && cfw_now(c) < until && cfw_policy_deadline(c->policy) <= cfw_now(c); i++)
		cfw_policy_step(c->policy, cfw_now(c));
	return look_at_rest(c, code);
}

static void tell_last(struct curfew *c)
{
	struct cfw_server_view v;
	for (size_t i = 0; i < c->nservers; i++)
		if (c->servers[i].id && c->servers[i].kind->last && cfw_core_server_view(c->core, c->servers[i].id, &v) == 0 &&
		    v.state == CFW_S_CUTTING)
			c->servers[i].kind->last(c->servers[i].srv);
}

void cfw_finish(struct curfew *c, int code, bool kill)
{
	if (c->ended)
		return;
	c->ended = true;
	c->code = code;
	tell_last(c);
	struct cfw_stop_view stop;
	cfw_core_stop_view(c->core, &stop);
	/* S9.3: no orphan is left; a second is plenty for the kernel to end what SIGKILL was sent to */
	cfw_host_kill_rest(c->host, cfw_time_min(cfw_time_add(cfw_now(c), CFW_SEC), stop.deadline_ns));
	if (c->opt.on_journal)
		c->opt.on_journal(c->opt.ud);
	cfw_exit_told(c, kill);
	c->opt.on_exit(c->opt.ud, code, kill);
	cfw_exit_returned(c);
}

void cfw_carry_out(struct curfew *c, const struct cfw_action *a)
{
	struct cfw_entry *s;
	if (c->after && cfw_after_action(c, a))
		return;
	switch (a->type) {
	case CFW_ACT_ASK:
		ask(c, a);
		break;
	case CFW_ACT_LAME:
		tell_lame(c);
		break;
	case CFW_ACT_UNLAME:
		tell_unlame(c);
		break;
	case CFW_ACT_STEERED:
		tell_steered(c, a->hurry);
		break;
	case CFW_ACT_CALL:
		call_hook(c, a);
		break;
	case CFW_ACT_CUT_HOOK:
		cut_hook(c, a);
		break;
	case CFW_ACT_START:
		start_server(c, a);
		break;
	case CFW_ACT_STOP:
		stop_server(c, a);
		break;
	case CFW_ACT_CUT:
		if ((s = cfw_entry_get(c, a->server))) {
			s->result = "cut";
			s->kind->cut(s->srv, a->attempt);
		}
		break;
	case CFW_ACT_RELOAD:
		c->reload_asked = true; /* once who asked has heard that it is under way */
		break;
	case CFW_ACT_REPLY:
		reply(c, a);
		break;
	case CFW_ACT_EXIT:
		cfw_finish(c, a->kill ? a->code : last_word(c, a->code), a->kill);
		break;
	case CFW_ACTIONS:
		break;
	}
}
