/* curfew_rules.c: rules in C: asked when no script's has an answer, before the defaults (S2.11). */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "base/log.h"
#include "curfew_embed.h"

int curfew_on(struct curfew *c, const char *name, curfew_rule_fn *fn, void *ud, struct curfew_err *err)
{
	struct cfw_embed *e = c->embed;
	struct cfw_host_rule r = {.fn = fn, .ud = ud, .any = name && strcmp(name, "*") == 0};
	struct cfw_trigger t = {0};
	if (!name || !fn)
		return cfw_err_set(err, CURFEW_EINVAL, "curfew_on: a name and a function are needed");
	int rc = r.any ? 0 : cfw_trigger_named(name, &t, err);
	if (rc)
		return rc;
	r.kind = t.kind;
	r.signo = t.signo;
	bool custom = t.kind == CFW_T_CUSTOM;
	if (cfw_grow(&cfw_alloc_std, &e->rules, &e->rules_cap, e->nrules + 1, sizeof *e->rules) ||
	    (custom && !(r.custom = strdup(name))))
		return cfw_err_set(err, CURFEW_ENOMEM, "out of memory");
	e->rules[e->nrules++] = r;
	cfw_own_ruled(c, r.signo);
	return 0;
}

bool cfw_host_rule_names(const struct curfew *c, int signo)
{
	for (size_t i = 0; c->embed && i < c->embed->nrules; i++)
		if (c->embed->rules[i].kind == CFW_T_SIGNAL && c->embed->rules[i].signo == signo && !c->embed->rules[i].any)
			return true;
	return false;
}

static bool is_for(const struct cfw_host_rule *r, const struct cfw_trigger *t, const char *name)
{
	return r->any || (r->kind == t->kind && (t->kind != CFW_T_SIGNAL || r->signo == t->signo) &&
			  (t->kind != CFW_T_CUSTOM || strcmp(r->custom, name) == 0));
}

/* S2.12. */
static struct cfw_decision no_decision(struct curfew *c, const char *trigger, const char *reason, const char *what)
{
	cfw_log_with(c->opt.log, CFW_WARN, "a rule gave no decision", "trigger", trigger, "reason", reason, "error", what,
		     NULL);
	return (struct cfw_decision){CFW_D_NONE, 0};
}

static struct cfw_decision ask(struct curfew *c, const struct cfw_host_rule *r, enum cfw_trigger_kind kind,
			       const struct curfew_trigger_info *info)
{
	static const enum cfw_decision_what whats[] = {
		[CURFEW_NO_ANSWER] = CFW_D_NONE, [CURFEW_GRACEFUL] = CFW_D_GRACEFUL, [CURFEW_ABORT] = CFW_D_ABORT,
		[CURFEW_KILL] = CFW_D_KILL,      [CURFEW_RELOAD] = CFW_D_RELOAD,     [CURFEW_RESTART] = CFW_D_RESTART,
		[CURFEW_IGNORE] = CFW_D_IGNORE,
	};
	struct curfew_decision d = r->fn(r->ud, info);
	if ((unsigned)d.answer >= sizeof whats / sizeof *whats) {
		char number[16];
		snprintf(number, sizeof number, "%d", (int)d.answer);
		return no_decision(c, info->name, "it answered something that is no decision", number);
	}
	enum cfw_decision_what what = whats[d.answer];
	if (what != CFW_D_NONE && !cfw_decision_allowed(kind, what))
		return no_decision(c, info->name, "this trigger does not allow its decision", cfw_decision_name(what));
	return (struct cfw_decision){what, d.code};
}

/* Rules for all triggers come after those for this one. */
struct cfw_decision cfw_host_ask(struct curfew *c, const struct cfw_trigger *t, const char *text)
{
	const struct cfw_embed *e = c->embed;
	const char *name = t->kind == CFW_T_CUSTOM && text ? text : cfw_trigger_name(t->kind, t->signo);
	const struct curfew_trigger_info info = {.size = sizeof info,
						 .name = name,
						 .count = t->count,
						 .code = t->code,
						 .server = t->server,
						 .text = t->kind == CFW_T_CUSTOM ? NULL : text};
	struct cfw_decision d = {CFW_D_NONE, 0};
	for (int any = 0; any <= 1; any++)
		for (size_t i = e ? e->nrules : 0; i-- > 0 && d.what == CFW_D_NONE;)
			if (e->rules[i].any == any && is_for(&e->rules[i], t, name))
				d = ask(c, &e->rules[i], t->kind, &info);
	return d;
}
